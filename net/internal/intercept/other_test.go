package intercept

import (
	"bufio"
	"crypto/tls"
	"io"
	"log"
	"slices"
	"testing"
)

var quiet = log.New(io.Discard, "", 0)

func TestOtherProtocolsPassAsTheyAre(t *testing.T) {
	cases := map[string]struct {
		protocols []string // that the host knows and the guest offers
		greeting  string   // of the host
		sent      string
	}{
		"binary":                   {nil, "", "\x00\x01" + placeholder},
		"lines":                    {nil, "", "a1 LOGIN " + placeholder + "\r\n"},
		"almost HTTP":              {nil, "", "GET key " + placeholder + "\r\n"},
		"a host that speaks first": {nil, "220 ready\r\n", "GET / HTTP/1.1\r\nX: " + placeholder + "\r\n\r\n"},
		"a protocol by its name":   {[]string{"imap"}, "", "GET / HTTP/1.1\r\nHost: " + host + "\r\nX: " + placeholder + "\r\n\r\n"},
		"HTTP/2 in name only":      {[]string{"h2"}, "", "\x16" + placeholder},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			internet := newTestAuthority(t)
			upstream := tlsServer(t, internet, c.protocols, func(conn *tls.Conn, r *bufio.Reader) {
				_, _ = io.WriteString(conn, c.greeting)
				_, _ = io.Copy(conn, r)
				_ = conn.CloseWrite() // the guest's end comes back
			})
			conn := newRigTo(t, internet, upstream).connect(c.protocols...)
			if len(c.protocols) > 0 && !slices.Contains(c.protocols, conn.ConnectionState().NegotiatedProtocol) {
				t.Errorf("negotiated %q", conn.ConnectionState().NegotiatedProtocol)
			}
			greeting := make([]byte, len(c.greeting))
			if _, err := io.ReadFull(conn, greeting); err != nil || string(greeting) != c.greeting {
				t.Fatalf("%q %v", greeting, err)
			}
			_, _ = io.WriteString(conn, c.sent)
			_ = conn.CloseWrite() // what was sent comes back whole, then the end
			if got, err := io.ReadAll(conn); err != nil || string(got) != c.sent {
				t.Errorf("%q %v", got, err)
			}
		})
	}
}

func TestTheGuestIsAnsweredWithTheProtocolThatTheHostChose(t *testing.T) {
	internet := newTestAuthority(t)
	for _, c := range []struct {
		offered, known []string
		want           string
	}{
		{[]string{"h2", "http/1.1"}, []string{"h2", "http/1.1"}, "h2"},
		{[]string{"h2", "http/1.1"}, []string{"http/1.1"}, "http/1.1"},
		{[]string{"h2", "http/1.1"}, nil, ""},
		{nil, []string{"h2", "http/1.1"}, ""},
		{[]string{"postgresql"}, []string{"postgresql"}, "postgresql"},
	} {
		upstream := tlsServer(t, internet, c.known, func(_ *tls.Conn, r *bufio.Reader) { _, _ = r.ReadByte() })
		conn := newRigTo(t, internet, upstream).connect(c.offered...)
		if got := conn.ConnectionState().NegotiatedProtocol; got != c.want {
			t.Errorf("of %q and %q: %q", c.offered, c.known, got)
		}
		_ = conn.Close() // done with it
	}
}
