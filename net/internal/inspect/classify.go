package inspect

import "bytes"

// kind is what a client speaks.
type kind int

const (
	// undecided: its first line may yet become HTTP's. Servers act on no such line before its end.
	undecided kind = iota
	speaksTLS
	speaksHTTP
	speaksOther
)

// maxUndecided is how long a first line may be, in bytes, before it is refused.
const maxUndecided = 16 << 10

// classify tells by a client's first bytes what it speaks. Whatever a lenient server could take for TLS or HTTP is called
// so, and then read strictly: what such a server takes, and we do not understand, is not let through.
func classify(data []byte) kind {
	if len(data) == 0 {
		return undecided
	}
	if 0x14 <= data[0] && data[0] <= 0x19 { // a record's type: servers skip some before the ClientHello
		return speaksTLS
	}
	line := bytes.TrimLeft(data, "\r\n \t\v\f")
	end := bytes.IndexByte(line, '\n')
	if end >= 0 {
		line = line[:end]
	}
	method := line
	if space := bytes.IndexAny(line, " \t\v\f\r"); space >= 0 {
		method = line[:space]
	}
	if !isToken(method) && len(line) > 0 {
		return speaksOther
	}
	if bytes.ContainsFunc(line, func(r rune) bool { return r < '\t' || r > '\r' && r < ' ' }) {
		return speaksOther
	}
	if end < 0 {
		return undecided
	}
	if bytes.Contains(bytes.ToLower(line), []byte("http/")) {
		return speaksHTTP
	}
	return speaksOther
}

// isToken: the characters of HTTP's methods and header names.
func isToken(text []byte) bool {
	for _, c := range text {
		if !tokenCharacters[c] {
			return false
		}
	}
	return len(text) > 0
}

var tokenCharacters = func() (is [256]bool) {
	for _, c := range "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		is[c] = true
	}
	return is
}()
