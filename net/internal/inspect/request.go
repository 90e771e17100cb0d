package inspect

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"

	"ember.dev/net/internal/policy"
)

// maxHead is the most that a request's line and headers may have, in bytes.
const maxHead = 64 << 10

// malformed is why a request is not read: servers may differ in how they read it.
type malformed string

func (m malformed) Error() string { return string(m) }

// request is what decides about a request, and how its body ends.
type request struct {
	method string
	// host is what Host, or an absolute target, names, without port: a normal name, an address, or "" (HTTP/1.0).
	host    string
	minor   int // of HTTP/1.
	length  int64
	chunked bool
	// upgrade: the client asks to speak something else afterwards.
	upgrade bool
	// unreadable: what it is for, or where it ends, can be read in more than one way.
	unreadable bool
	// http2: it is no request, but how a client begins that speaks HTTP/2 without asking first.
	http2 bool
	// head is what goes to the server.
	head []byte
}

// headEnd is the length of a request's head, or 0 while it has not ended; from is where to look first. Empty lines before
// the request belong to it.
func headEnd(data []byte, from int) int {
	start := len(data) - len(bytes.TrimLeft(data, "\r\n"))
	for at := max(from-3, start); at < len(data); {
		line := bytes.IndexByte(data[at:], '\n')
		if line < 0 {
			return 0
		}
		at += line + 1
		if bytes.HasPrefix(data[at:], []byte("\r\n")) {
			return at + 2
		}
		if bytes.HasPrefix(data[at:], []byte("\n")) {
			return at + 1 // parseRequest refuses it
		}
	}
	return 0
}

// parseRequest reads a whole head. What RFC 9112 does not allow is refused, and what servers are known to differ on.
func parseRequest(head []byte) (request, error) {
	text := head
	for bytes.HasPrefix(text, []byte("\r\n")) {
		text = text[2:]
	}
	lines := strings.Split(string(text), "\r\n")
	if len(lines) < 3 || lines[len(lines)-1] != "" || lines[len(lines)-2] != "" {
		return request{}, malformed("its head does not end as it should")
	}
	for _, line := range lines {
		if strings.ContainsAny(line, "\r\n\x00") {
			return request{}, malformed("a line has a character that ends lines elsewhere")
		}
	}
	req := request{head: head}
	target, err := req.line(lines[0])
	if err != nil {
		return request{method: req.method, http2: lines[0] == "PRI * HTTP/2.0"}, err
	}
	fields := headers{length: -1}
	dropped := false
	for _, line := range lines[1 : len(lines)-2] {
		drop, err := fields.add(line)
		if err != nil {
			return request{}, err
		}
		dropped = dropped || drop
	}
	if dropped {
		req.head = withoutHTTP2(head)
	}
	if err := req.framing(fields); err != nil {
		return request{}, err
	}
	req.upgrade = fields.upgrade
	if err := req.name(target, fields); err != nil {
		return request{method: req.method}, err
	}
	return req, nil
}

func (r *request) line(line string) (target string, err error) {
	parts := strings.Split(line, " ")
	if len(parts) != 3 || !isToken([]byte(parts[0])) || parts[1] == "" {
		return "", malformed("its first line is not METHOD TARGET HTTP/1.1")
	}
	switch parts[2] {
	case "HTTP/1.1":
		r.minor = 1
	case "HTTP/1.0":
	default:
		return "", malformed("only HTTP/1.1 and HTTP/1.0 can be looked into")
	}
	r.method = parts[0]
	if strings.EqualFold(r.method, "CONNECT") {
		return "", malformed("CONNECT would hide what follows")
	}
	for i := range len(parts[1]) {
		if parts[1][i] <= ' ' || parts[1][i] == 0x7f {
			return "", malformed("its target has a control character")
		}
	}
	return parts[1], nil
}

func (r *request) framing(fields headers) error {
	if fields.chunked {
		if fields.length >= 0 {
			return malformed("it has both Content-Length and Transfer-Encoding")
		}
		if r.minor == 0 {
			return malformed("HTTP/1.0 has no Transfer-Encoding")
		}
	}
	r.chunked, r.length = fields.chunked, max(fields.length, 0)
	return nil
}

// name finds the one host that the request is for; two that differ are refused.
func (r *request) name(target string, fields headers) error {
	if !fields.hosted && r.minor == 1 {
		return malformed("it has no Host")
	}
	host, ok := hostOf(fields.host)
	if fields.hosted && !ok {
		return malformed("its Host is not that of a server")
	}
	r.host = host
	if strings.HasPrefix(target, "/") || target == "*" && r.method == "OPTIONS" {
		return nil
	}
	const scheme = "http://"
	if len(target) < len(scheme) || !strings.EqualFold(target[:len(scheme)], scheme) {
		return malformed("its target is neither a path nor an http:// address")
	}
	authority := target[len(scheme):]
	if end := strings.IndexAny(authority, "/?#"); end >= 0 {
		authority = authority[:end]
	}
	absolute, ok := hostOf(authority)
	if !ok || fields.hosted && absolute != host {
		return malformed("its target and its Host name different servers")
	}
	r.host = absolute
	return nil
}

// hostOf takes the port off "name:80", "192.0.2.1" and "[2001:db8::1]:80".
func hostOf(authority string) (string, bool) {
	host := authority
	if colon := strings.LastIndexByte(authority, ':'); colon >= 0 && !strings.HasSuffix(authority, "]") {
		port := authority[colon+1:]
		if _, err := strconv.ParseUint(port, 10, 16); err != nil && port != "" {
			return "", false
		}
		host = authority[:colon]
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		address, err := netip.ParseAddr(inner)
		return address.String(), ok && err == nil && address.Is6() && address.Zone() == ""
	}
	if address, err := netip.ParseAddr(host); err == nil && address.Is4() {
		return address.String(), true
	}
	return policy.NormalName(host)
}
