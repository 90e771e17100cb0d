package intercept

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
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
		serveFailure(guest.tls, text)
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

// serveFailure answers every request of an HTTP/2 connection with a 502, until the guest closes it or leaves it idle.
func serveFailure(conn net.Conn, text string) {
	one := &oneConn{conns: make(chan net.Conn, 1)}
	one.conns <- conn
	server := &http.Server{
		IdleTimeout: lingerLimit,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, text) // the guest may be gone
		}),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				close(one.conns)
			}
		},
		ErrorLog: log.New(io.Discard, "", 0), // what guests do wrong is no news
	}
	_ = server.Serve(one) // ends with the connection
}

// oneConn is a listener that accepts what is in its channel.
type oneConn struct{ conns chan net.Conn }

func (o *oneConn) Accept() (net.Conn, error) {
	if conn, open := <-o.conns; open {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (o *oneConn) Close() error   { return nil }
func (o *oneConn) Addr() net.Addr { return &net.UnixAddr{Name: "guest", Net: "unix"} }

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
