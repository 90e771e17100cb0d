package intercept

import (
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2/hpack"
)

// checkFields checks that an HTTP/2 request is for name, and has nothing that a server behind the host, which speaks
// HTTP/1, could take for another request.
func checkFields(fields []hpack.HeaderField, name string) *refusal {
	method, path, authorities := "", "", 0
	for _, f := range fields {
		switch f.Name {
		case ":method":
			method = f.Value
		case ":path":
			path = f.Value
		case ":scheme":
			if f.Value != "https" && f.Value != "http" {
				return badRequest("the scheme is neither https nor http")
			}
		case ":authority", "host":
			if authorities++; !isAuthority(f.Value, name) {
				return misdirected(name)
			}
		case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
			return badRequest("a header is not one of HTTP/2")
		}
	}
	switch {
	case authorities == 0 || method == http.MethodConnect && path == "":
		return misdirected(name)
	case !httpguts.ValidHeaderFieldName(method):
		return badRequest("the method is not valid")
	case path != "*" && !strings.HasPrefix(path, "/") || strings.ContainsFunc(path, func(c rune) bool { return c <= ' ' || c == 0x7f }):
		return badRequest("the path is not valid")
	}
	return nil
}
