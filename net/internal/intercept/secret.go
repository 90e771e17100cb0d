package intercept

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	minPlaceholderBytes = 8
	maxSecretBytes      = 64 << 10
)

// Secret is a value that goes to its hosts in place of a placeholder. Neither printing nor marshalling it shows the
// value: that is inside a function, which also keeps it out of dumps of whatever the Secret is a field of.
type Secret struct {
	name        string
	placeholder string
	hosts       []string // exact, or "*." and a suffix
	reveal      func() string
}

// NewSecret checks its parts; no error has the value in it. hosts are patterns as in rules: an exact name, or "*." and
// a suffix.
func NewSecret(name, placeholder, value string, hosts []string) (Secret, error) {
	if name == "" {
		return Secret{}, errors.New("a secret has no name")
	}
	fail := func(reason string) (Secret, error) { return Secret{}, fmt.Errorf("secret %q: %s", name, reason) }
	switch {
	case len(placeholder) < minPlaceholderBytes || strings.ContainsFunc(placeholder, notPlain):
		return fail(fmt.Sprintf("its placeholder is not at least %d letters, digits, '-', '_' and '.'", minPlaceholderBytes))
	case value == "":
		return fail("its value is empty")
	case len(value) > maxSecretBytes:
		return fail(fmt.Sprintf("its value has more than %d bytes", maxSecretBytes))
	case strings.ContainsFunc(value, isControl):
		return fail("its value has a line break or another control character, which no header can carry")
	case strings.Contains(value, placeholder):
		return fail("its value contains its placeholder")
	case len(hosts) == 0:
		return fail("it is for no host")
	}
	s := Secret{name: name, placeholder: placeholder, reveal: func() string { return value }}
	for _, host := range hosts {
		host = canonical(host)
		if !validPattern(host) {
			return fail(fmt.Sprintf("%q is neither a host name nor '*.' and a suffix", host))
		}
		s.hosts = append(s.hosts, host)
	}
	return s, nil
}

// isFor says whether the value may go to the host of this name, which is canonical.
func (s Secret) isFor(name string) bool {
	for _, host := range s.hosts {
		if suffix, wild := strings.CutPrefix(host, "*"); host == name || wild && strings.HasSuffix(name, suffix) && len(name) > len(suffix) {
			return true
		}
	}
	return false
}

func (s Secret) same(other Secret) bool {
	return s.name == other.name && s.placeholder == other.placeholder && slices.Equal(s.hosts, other.hosts) && s.reveal() == other.reveal()
}

// String names the secret.
func (s Secret) String() string { return "secret " + s.name + " (redacted)" }

// GoString names the secret.
func (s Secret) GoString() string { return s.String() }

// MarshalJSON leaves the value out.
func (s Secret) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{"name": s.name, "placeholder": s.placeholder, "hosts": s.hosts, "value": "(redacted)"})
}

// UnmarshalJSON reads and checks {"name","placeholder","value","hosts"}; its errors never quote the input.
func (s *Secret) UnmarshalJSON(data []byte) error {
	var raw struct {
		Name        string   `json:"name"`
		Placeholder string   `json:"placeholder"`
		Value       string   `json:"value"`
		Hosts       []string `json:"hosts"`
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&raw); err != nil {
		return errors.New("a secret is not an object with name, placeholder, value and hosts")
	}
	parsed, err := NewSecret(raw.Name, raw.Placeholder, raw.Value, raw.Hosts)
	if err == nil {
		*s = parsed
	}
	return err
}

// notPlain finds what some encoding, such as JSON, an URL or a header, would write differently.
func notPlain(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r))
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
