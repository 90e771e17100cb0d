package policy

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestPolicyIsReadAndWrittenAlike(t *testing.T) {
	const text = `{"default":"refuse","rules":[` +
		`{"action":"allow","host":"*.npmjs.org","port":443,"text":"--allow-host *.npmjs.org:443"},` +
		`{"action":"refuse","cidr":"10.0.0.0/8","port":5432,"protocol":"tcp","text":"--deny-cidr 10.0.0.0/8:5432/tcp"},` +
		`{"action":"allow","cidr":"2001:db8::/32","port":0,"text":"--allow-cidr 2001:db8::/32"}]}`
	policy, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if written, err := json.Marshal(policy); err != nil || string(written) != text {
		t.Errorf("written: %s, %v", written, err)
	}
	var within struct{ Policy Policy }
	if err := json.Unmarshal([]byte(`{"policy":`+text+`}`), &within); err != nil || len(within.Policy.Rules) != 3 {
		t.Errorf("within another message: %v, %v", within, err)
	}
}

func TestPolicyThatIsNotUnderstoodIsRefused(t *testing.T) {
	rule := func(fields string) string { return `{"default":"allow","rules":[{` + fields + `}]}` }
	host := func(name string) string { return rule(`"action":"allow","port":0,"text":"t","host":"` + name + `"`) }
	cidr := func(fields string) string { return rule(`"action":"allow","port":0,"text":"t",` + fields) }
	for _, test := range []struct{ name, text, says string }{
		{"nothing", ``, "EOF"},
		{"null", `null`, "default"},
		{"an array", `[]`, "cannot unmarshal"},
		{"no default", `{"rules":[]}`, "policy.default"},
		{"inspect by default", `{"default":"inspect","rules":[]}`, "neither allow nor refuse"},
		{"something that follows", `{"default":"allow","rules":[]} {}`, "follows"},
		{"an unknown field", `{"default":"allow","rules":[],"else":1}`, "else"},
		{"an unknown field of a rule", host(`a","via":"b`), "via"},
		{"a rule without an action", rule(`"host":"a.b","port":0,"text":"t"`), "rules[0]: action"},
		{"a rule without host and cidr", rule(`"action":"allow","port":0,"text":"t"`), "either"},
		{"a rule with both", rule(`"action":"allow","host":"a.b","cidr":"10.0.0.0/8","text":"t"`), "either"},
		{"a rule without its name", rule(`"action":"allow","host":"a.b","text":""`), "text"},
		{"a rule whose name breaks a header", rule(`"action":"allow","host":"a.b","text":"a\r\nX: y"`), "printable"},
		{"a negative port", rule(`"action":"allow","host":"a.b","port":-1,"text":"t"`), "port"},
		{"a port too large", rule(`"action":"allow","host":"a.b","port":65536,"text":"t"`), "port"},
		{"a host rule with a protocol", rule(`"action":"allow","host":"a.b","protocol":"tcp","text":"t"`), "protocol"},
		{"an empty pattern", host(""), "either"},
		{"a star alone", host("*"), "neither a name"},
		{"a star in the middle", host("a.*.b"), "neither a name"},
		{"two stars", host("*.*.b"), "neither a name"},
		{"upper case", host("A.b"), "lower case"},
		{"a trailing dot", host("a.b."), "trailing dot"},
		{"an empty label", host("a..b"), "neither a name"},
		{"a label too long", host(strings.Repeat("a", 64) + ".b"), "neither a name"},
		{"a name too long", host(strings.Repeat("a.", 127) + "b"), "neither a name"},
		{"a name that is not punycode", host("bücher.example"), "neither a name"},
		{"an IPv4 address as a host", host("10.0.0.1"), "is an address"},
		{"an IPv6 address as a host", host("::1"), "is an address"},
		{"a number as a host", host("0x7f"), "neither a name"},
		{"a cidr with bits beyond", cidr(`"cidr":"10.0.0.1/8"`), "the network is 10.0.0.0/8"},
		{"a cidr without a length", cidr(`"cidr":"10.0.0.1"`), "no '/'"},
		{"a cidr too long", cidr(`"cidr":"10.0.0.0/33"`), "out of range"},
		{"a mapped cidr", cidr(`"cidr":"::ffff:10.0.0.0/104"`), "IPv6's form"},
		{"a protocol of its own", cidr(`"cidr":"10.0.0.0/8","protocol":"icmp"`), "neither tcp nor udp"},
		{"too many rules", `{"default":"allow","rules":[` + strings.Repeat(`{},`, maxRules) + `{}]}`, "more than"},
		{"too many bytes", `{"default":"allow"` + strings.Repeat(" ", maxPolicyBytes) + `}`, "more than"},
	} {
		if _, err := Parse([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want %q", test.name, err, test.says)
		}
	}
}

func TestNamesHaveOneSpelling(t *testing.T) {
	for spelled, want := range map[string]string{
		"api.github.com": "api.github.com", "API.GitHub.com.": "api.github.com", "_dmarc.example": "_dmarc.example", "web": "web",
		"": "", ".": "", "a..b": "", "a.b..": "", "-a.b": "", "a-.b": "", "a b": "", "a\x00b": "", "1.2.3.4": "", "1.2.3": "",
		"[::1]": "", "a.0x1f": "", "a.127": "", "a@b.c": "", "a.b:80": "", "a/b": "", "é.b": "",
	} {
		name, ok := NormalName(spelled)
		if !ok {
			name = ""
		}
		if name != want {
			t.Errorf("%q: %q, want %q", spelled, name, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"default":"refuse","rules":[{"action":"allow","host":"*.a.b","port":1,"text":"t"}]}`))
	f.Add([]byte(`{"default":"allow","rules":[{"action":"refuse","cidr":"fd00::/8","protocol":"udp","text":"t"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		policy, err := Parse(data)
		if err != nil {
			return
		}
		written, err := json.Marshal(policy)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Parse(written); err != nil || fmt.Sprint(again) != fmt.Sprint(policy) {
			t.Fatalf("%s reads as %v, %v", written, again, err)
		}
	})
}
