package intercept

import "strings"

// canonical is how names are compared: lower case, without the final dot.
func canonical(name string) string { return strings.TrimSuffix(strings.ToLower(name), ".") }

func validPattern(pattern string) bool {
	return validName(strings.TrimPrefix(pattern, "*."))
}

// validName accepts a canonical DNS name, not an address: those have no name in a ClientHello.
func validName(name string) bool {
	if len(name) == 0 || len(name) > 253 {
		return false
	}
	letters := false
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			letter := c >= 'a' && c <= 'z' || c == '_'
			if !letter && c != '-' && (c < '0' || c > '9') {
				return false
			}
			letters = letters || letter
		}
	}
	return letters
}

// isAuthority says whether the Host or :authority of a request is this host, with or without a port.
func isAuthority(authority, name string) bool {
	host, port, found := strings.Cut(authority, ":")
	if found && (port == "" || strings.Trim(port, "0123456789") != "") {
		return false
	}
	return canonical(host) == name
}
