package intercept

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestNoWayOfPrintingShowsAValueOrAKey(t *testing.T) {
	certificate, key, err := makeAuthority("vm", testTime)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := ParseAuthority(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	secret := mustSecret(t, "TOKEN", placeholder, value, host)
	i, err := New(authority, []Secret{secret})
	if err != nil {
		t.Fatal(err)
	}
	scalar := authorityScalar(t, key)
	nested := struct {
		inner any
		s     Secret
		list  []Secret
		a     Authority
	}{i, secret, []Secret{secret}, authority}
	for _, v := range []any{secret, &secret, []Secret{secret}, i, authority, nested, &nested} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, value) || strings.Contains(got, fmt.Sprintf("%x", value)) || strings.Contains(got, scalar) {
				t.Errorf("%s of %T: %s", verb, v, got)
			}
		}
		if got, err := json.Marshal(v); err != nil || strings.Contains(string(got), value) || strings.Contains(string(got), "PRIVATE") {
			t.Errorf("%T: %s %v", v, got, err)
		}
	}
}

func TestSecretsThatCannotBeAreRefusedWithoutBeingQuoted(t *testing.T) {
	good := func() (name, placeholder, value string, hosts []string) {
		return "A", "placeholder-1", "hush", []string{host}
	}
	cases := map[string]func(name, placeholder, value *string, hosts *[]string){
		"no name":              func(n, p, v *string, h *[]string) { *n = "" },
		"no value":             func(n, p, v *string, h *[]string) { *v = "" },
		"a line break":         func(n, p, v *string, h *[]string) { *v = "hush\n" },
		"a carriage return":    func(n, p, v *string, h *[]string) { *v = "hush\r" },
		"a NUL":                func(n, p, v *string, h *[]string) { *v = "hush\x00" },
		"a tab":                func(n, p, v *string, h *[]string) { *v = "hush\t" },
		"too long":             func(n, p, v *string, h *[]string) { *v = strings.Repeat("hush", maxSecretBytes) },
		"itself":               func(n, p, v *string, h *[]string) { *v = "hush-" + *p },
		"a short placeholder":  func(n, p, v *string, h *[]string) { *p = "abc" },
		"an odd placeholder":   func(n, p, v *string, h *[]string) { *p = "place holder" },
		"no host":              func(n, p, v *string, h *[]string) { *h = nil },
		"an address":           func(n, p, v *string, h *[]string) { *h = []string{"10.0.0.1"} },
		"every host":           func(n, p, v *string, h *[]string) { *h = []string{"*"} },
		"a star in the middle": func(n, p, v *string, h *[]string) { *h = []string{"a.*.example.com"} },
		"a host with a port":   func(n, p, v *string, h *[]string) { *h = []string{host + ":443"} },
	}
	for name, spoil := range cases {
		n, p, v, h := good()
		spoil(&n, &p, &v, &h)
		if _, err := NewSecret(n, p, v, h); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", name, err)
		}
		raw, _ := json.Marshal(map[string]any{"name": n, "placeholder": p, "value": v, "hosts": h})
		var s Secret
		if err := json.Unmarshal(raw, &s); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s in JSON: %v", name, err)
		}
	}
	for _, raw := range []string{`{"name":"A","value":["hush"]}`, `{"hush":1}`, `"hush"`} {
		var s Secret
		if err := json.Unmarshal([]byte(raw), &s); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestPlaceholdersThatContainOneAnotherAreRefused(t *testing.T) {
	authority := newTestAuthority(t).Authority
	a, b := mustSecret(t, "A", "placeholder-1", "x", host), mustSecret(t, "B", "placeholder-12", "y", host)
	for _, pair := range [][]Secret{{a, b}, {b, a}, {a, a}} {
		if _, err := New(authority, pair); err == nil {
			t.Error("accepted")
		}
	}
	if _, err := New(Authority{}, nil); err == nil {
		t.Error("no authority")
	}
}

func TestHostsAreNamedExactlyOrByASuffix(t *testing.T) {
	i, err := New(newTestAuthority(t).Authority, []Secret{mustSecret(t, "A", "placeholder-1", "x", "api.example.com", "*.Wild.example")})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"api.example.com": true, "API.example.COM.": true, "x.api.example.com": false, "example.com": false, "": false,
		"wild.example": false, "a.wild.example": true, "a.b.wild.example": true, "awild.example": false, ".wild.example": false,
	} {
		if got := i.Wants(name) && validName(canonical(name)); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestValuesBecomePlaceholdersInAnswersUnlessByChance(t *testing.T) {
	s := newSubstitution([]Secret{
		mustSecret(t, "A", "placeholder-1", "abcdef", host), mustSecret(t, "B", "placeholder-2", "abcdef-longer", host), mustSecret(t, "C", "placeholder-3", "12", host),
	})
	for from, want := range map[string]string{"x abcdef y": "x placeholder-1 y", "abcdef-longer": "placeholder-2", "12": "12"} {
		if got := s.restore("x-echo", from); got != want {
			t.Errorf("%q: %q", from, got)
		}
	}
	if got := s.reveal("Authorization", "basic !!placeholder-1"); got != "basic !!abcdef" {
		t.Errorf("%q", got)
	}
	if got := s.reveal("Authorization", "Bearer placeholder-3"); got != "Bearer 12" {
		t.Errorf("%q", got)
	}
}

func TestOtherSecretsMakeAnotherInterceptor(t *testing.T) {
	authority := newTestAuthority(t).Authority
	a, b := mustSecret(t, "A", "placeholder-1", "x", host), mustSecret(t, "A", "placeholder-1", "y", host)
	make := func(authority Authority, secrets ...Secret) *Interceptor {
		i, err := New(authority, secrets)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	if !make(authority, a).Same(make(authority, mustSecret(t, "A", "placeholder-1", "x", host))) {
		t.Error("the same secrets differ")
	}
	for _, other := range []*Interceptor{make(authority, b), make(authority), make(newTestAuthority(t).Authority, a)} {
		if make(authority, a).Same(other) {
			t.Error("other secrets do not differ")
		}
	}
}
