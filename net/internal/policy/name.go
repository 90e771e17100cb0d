package policy

import (
	"fmt"
	"net/netip"
	"strings"
)

const (
	maxNameBytes  = 253
	maxLabelBytes = 63
)

// NormalName is the one spelling of a host name that rules and answers are compared in: lower case, no trailing dot. It
// says false of what is no host name: an address, a character that no name has. Allocates only for upper case.
func NormalName(name string) (string, bool) {
	name = strings.TrimSuffix(name, ".")
	for i := range len(name) {
		if 'A' <= name[i] && name[i] <= 'Z' {
			name = strings.ToLower(name)
			break
		}
	}
	return name, isName(name)
}

// isName: labels of letters, digits, '-' and '_' (which real names have), and a last label that makes it no address.
func isName(name string) bool {
	if name == "" || len(name) > maxNameBytes {
		return false
	}
	last := name
	for rest, more := name, true; more; {
		last, rest, more = strings.Cut(rest, ".")
		if !isLabel(last) {
			return false
		}
	}
	return !isNumber(last)
}

func isLabel(label string) bool {
	if label == "" || len(label) > maxLabelBytes || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		c := label[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// isNumber says whether the label is what some resolvers take for an address' last part: "1", "0x7f".
func isNumber(label string) bool {
	hex, isHex := strings.CutPrefix(label, "0x")
	if isHex {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

func validatePattern(pattern string) error {
	name := strings.TrimPrefix(pattern, "*.")
	if normal, ok := NormalName(name); ok && normal == name {
		return nil
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return fmt.Errorf("host: %q is an address; rules for addresses have a cidr", clip(pattern))
	}
	return fmt.Errorf("host: %q is neither a name nor '*.' and a name, in lower case and without a trailing dot", clip(pattern))
}

// eachSuffix calls visit with what follows each dot of the name, the longest first, until visit says false.
func eachSuffix(name string, visit func(suffix string) bool) {
	for {
		dot := strings.IndexByte(name, '.')
		if dot < 0 {
			return
		}
		name = name[dot+1:]
		if !visit(name) {
			return
		}
	}
}
