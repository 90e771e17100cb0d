package intercept

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// chunked as a length: the body says itself where it ends.
const chunked = -1

// request is the head of an HTTP/1 request for the host, checked.
type request struct {
	head
	method  string
	length  int64 // of the body in bytes, or chunked
	upgrade bool
}

// parseRequest checks that a request is for name and can be read in one way only.
func parseRequest(h head, name string) (request, *refusal) {
	parts := strings.Split(h.start, " ")
	if len(parts) != 3 || !httpguts.ValidHeaderFieldName(parts[0]) || parts[2] != "HTTP/1.1" && parts[2] != "HTTP/1.0" {
		return request{}, badRequest("the request line is not METHOD TARGET HTTP/1.1")
	}
	method, target, version := parts[0], parts[1], parts[2]
	hosts := h.values("host")
	if len(hosts) != 1 || !isAuthority(hosts[0], name) {
		return request{}, misdirected(name)
	}
	target, refused := originForm(method, target, name)
	if refused != nil {
		return request{}, refused
	}
	h.start = method + " " + target + " " + version
	length, err := requestLength(h, version)
	if err != nil {
		return request{}, badRequest(err.Error())
	}
	return request{head: h, method: method, length: length, upgrade: len(h.values("upgrade")) > 0}, nil
}

// originForm takes the authority out of an absolute target once it has been compared: nobody reads it in another way then.
func originForm(method, target, name string) (string, *refusal) {
	if method == http.MethodConnect {
		return "", misdirected(name)
	}
	if strings.ContainsFunc(target, func(c rune) bool { return c == '#' || c <= ' ' }) {
		return "", badRequest("the target has a character that no target has")
	}
	if strings.HasPrefix(target, "/") || target == "*" {
		return target, nil
	}
	scheme, rest, found := strings.Cut(target, "://")
	if !found || !equalFold(scheme, "http", "https") {
		return "", badRequest("the target is neither a path nor an URL")
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	if !isAuthority(rest[:end], name) {
		return "", misdirected(name)
	}
	if path := rest[end:]; strings.HasPrefix(path, "/") {
		return path, nil
	} else if path == "" && method == http.MethodOptions {
		return "*", nil
	} else {
		return "/" + path, nil
	}
}

func requestLength(h head, version string) (int64, error) {
	encodings, lengths := h.values("transfer-encoding"), h.values("content-length")
	switch {
	case len(encodings) == 0 && len(lengths) == 0:
		return 0, nil
	case len(encodings)+len(lengths) > 1:
		return 0, malformed("the length of the body is said twice")
	case len(lengths) == 1:
		return parseLength(lengths[0])
	case !strings.EqualFold(encodings[0], "chunked") || version == "HTTP/1.0":
		return 0, malformed("the transfer encoding is not chunked")
	}
	return chunked, nil
}

func parseLength(text string) (int64, error) {
	length, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, malformed("the length of the body is no number")
	}
	return int64(length), nil
}

func misdirected(name string) *refusal {
	return &refusal{http.StatusMisdirectedRequest, fmt.Sprintf("ember: this connection is for %s, and the request is not\n", name)}
}

func badRequest(reason string) *refusal {
	return &refusal{http.StatusBadRequest, "ember: " + reason + "\n"}
}
