package intercept

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http2"
)

// failureProtocol is in which protocol the guest can be told why there is no connection to the host, if in any.
func failureProtocol(offered []string) (protocol string, tellable bool) {
	for _, protocol := range []string{"http/1.1", "h2"} {
		if slices.Contains(offered, protocol) {
			return protocol, true
		}
	}
	return "", len(offered) == 0
}

// tellFailure answers the guest's first request with a 502 that says why.
func (c *connection) tellFailure(guest *side, protocol string) {
	defer guest.close()
	text := fmt.Sprintf("ember: %v\n", c.failure)
	_ = guest.raw.SetDeadline(time.Now().Add(handshakeLimit))
	if protocol == "h2" {
		server := &http2.Server{IdleTimeout: lingerLimit}
		server.ServeConn(guest.tls, &http2.ServeConnOpts{
			BaseConfig: &http.Server{},
			Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/plain; charset=utf-8")
				w.WriteHeader(http.StatusBadGateway)
				_, _ = io.WriteString(w, text) // the guest may be gone
			}),
		})
		return
	}
	if prefaceOf(guest.r) != prefaceHTTP1 {
		return // nothing that could be read there
	}
	if _, err := readHead(guest.r, lenient); err != nil {
		return
	}
	writeRefusal(guest, refusal{http.StatusBadGateway, text})
	guest.closeWrite()
	guest.drain()
}

// refusal answers a request that does not go to the host.
type refusal struct {
	status int
	text   string
}

// Error is the text for the guest, which quotes nothing of the request.
func (r refusal) Error() string { return strings.TrimSuffix(r.text, "\n") }

// refusalField has a refusal's text where there is no body.
const refusalField = "ember-refused"

func writeRefusal(guest *side, r refusal) {
	_, _ = fmt.Fprintf(guest.w, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		r.status, http.StatusText(r.status), len(r.text), r.text)
	_ = guest.w.Flush() // the guest may be gone
}
