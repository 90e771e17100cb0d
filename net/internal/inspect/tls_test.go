package inspect

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ember.dev/net/internal/policy"
)

func TestTLSToAnAllowedNamePasses(t *testing.T) {
	w := newWorld(t, standard(t), 443, tlsServer(t, func(*tls.Config) {}))
	if _, body, _ := fetch(t, w.client(&tls.Config{}), "https://good.example/"); body != "good.example" {
		t.Errorf("%q", body)
	}
	if got := w.notes.list(); !slices.Equal(got, []string{"allowed sni good.example"}) {
		t.Errorf("%q", got)
	}
}

func TestTLSToAnotherNameIsReset(t *testing.T) {
	var reached atomic.Int64
	w := newWorld(t, standard(t), 443, rawServer(t, func(conn *net.TCPConn) { reached.Add(1); echo(conn) }))
	for _, name := range []string{"bad.example", "unasked.example", "other.example", "good.example.evil.example"} {
		err := tls.Client(w.connect(), &tls.Config{ServerName: name, InsecureSkipVerify: true}).Handshake()
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := w.notes.list(); len(got) != 4 || got[1] != "refused sni unasked.example" {
		t.Errorf("%q", got)
	}
	if reached.Load() != 0 {
		t.Error("the server was connected to")
	}
}

func TestTLSWithoutANameIsDecidedByTheAnswers(t *testing.T) {
	server := tlsServer(t, func(*tls.Config) {})
	for port, want := range map[uint16]bool{443: true, 8443: false} {
		engine := standard(t)
		engine.Replace(policy.Policy{Default: policy.ActionRefuse, Rules: []policy.Rule{{Action: policy.ActionAllow, Host: "good.example", Port: 443, Text: "r"}}})
		w := newWorld(t, engine, port, server)
		if err := tls.Client(w.connect(), &tls.Config{InsecureSkipVerify: true}).Handshake(); (err == nil) != want {
			t.Errorf("port %d: %v", port, err)
		}
	}
}

func TestClientHelloIsWaitedForByteByByte(t *testing.T) {
	w := newWorld(t, standard(t), 443, rawServer(t, echo))
	hello := string(inRecords(helloWith(sni("good.example")), 1))
	conn := w.connect()
	for _, piece := range strings.Split(hello, "") {
		say(t, conn, piece)
	}
	said(t, conn, hello)
}

func TestHiddenNameIsReset(t *testing.T) {
	w := newWorld(t, standard(t), 443, rawServer(t, echo))
	conn := w.connect()
	say(t, conn, string(inRecords(helloWith(sni("good.example"), extension(extensionECH, []byte{0})), 1000)))
	wasReset(t, conn)
	if got := w.notes.list(); !slices.Equal(got, []string{"refused sni good.example"}) {
		t.Errorf("%q", got)
	}
}

func TestSecondClientHelloMustBeForTheSameName(t *testing.T) {
	server := tlsServer(t, func(config *tls.Config) { config.CurvePreferences = []tls.CurveID{tls.CurveP521} })
	w := newWorld(t, standard(t), 443, server)
	// This client offers a key of another kind first, so that the server asks for a second ClientHello.
	client := w.client(&tls.Config{CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP521}})
	if _, body, _ := fetch(t, client, "https://good.example/"); body != "good.example" {
		t.Errorf("%q", body)
	}
	first := inRecords(helloWith(sni("good.example")), 100)
	change := []byte{recordChange, 3, 3, 0, 1, 1}
	for name, second := range map[string][]byte{
		"another name":             inRecords(helloWith(sni("bad.example")), 7),
		"another allowed name":     inRecords(helloWith(sni("also.example")), 7),
		"no name":                  inRecords(helloWith(), 7),
		"a hidden name":            inRecords(helloWith(sni("good.example"), extension(extensionECH, nil)), 7),
		"more than one CCS before": append(bytes.Clone(change), inRecords(helloWith(sni("bad.example")), 7)...),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, standard(t), 443, rawServer(t, echo))
			conn := w.connect()
			say(t, conn, string(first))
			said(t, conn, string(first))
			say(t, conn, string(change)+string(second))
			wasReset(t, conn)
		})
	}
}

func TestPolicyClosesTLSThatItNoLongerAllows(t *testing.T) {
	ended := make(chan error, 2)
	w := newWorld(t, standard(t), 443, rawServer(t, func(conn *net.TCPConn) {
		_, err := io.Copy(conn, conn)
		ended <- err
	}))
	kept, gone := w.connect(), w.connect()
	for name, conn := range map[string]net.Conn{"good.example": kept, "also.example": gone} {
		hello := string(inRecords(helloWith(sni(name)), 1000))
		say(t, conn, hello)
		said(t, conn, hello)
	}
	w.engine.Replace(policy.Policy{Default: policy.ActionRefuse, Rules: []policy.Rule{{Action: policy.ActionAllow, Host: "good.example", Text: "r"}}})
	wasReset(t, gone)
	<-ended // the server's side as well
	say(t, kept, "\x17more")
	said(t, kept, "\x17more")
	eventually(func() bool { return slices.Contains(w.notes.list(), "refused sni also.example") })
}

// interceptor answers every client by itself.
type interceptor struct {
	wanted string
	server *tls.Config
}

func (i interceptor) Wants(name string) bool { return name == i.wanted }

func (i interceptor) Serve(ctx context.Context, guest net.Conn, name string, dial func(context.Context) (net.Conn, error)) error {
	conn := tls.Server(guest, i.server)
	defer conn.Close()
	upstream, err := dial(ctx)
	if err != nil {
		return err
	}
	defer upstream.Close()
	_, err = io.WriteString(conn, "intercepted "+name)
	return err
}

func TestWantedHostsGoToTheInterceptorAndOthersPass(t *testing.T) {
	certificate := tlsCertificate(t)
	open := policy.New(policy.Open())
	for name, test := range map[string]struct {
		engine *policy.Engine
		port   uint16
	}{
		"host rules": {standard(t), 443}, "an open policy": {open, 443}, "at a port where servers may speak first": {standard(t), 993},
	} {
		w := newWorld(t, test.engine, test.port, rawServer(t, echo), interceptor{"good.example", &tls.Config{Certificates: []tls.Certificate{certificate}}})
		conn := tls.Client(w.connect(), &tls.Config{ServerName: "GOOD.example", InsecureSkipVerify: true})
		if got, err := io.ReadAll(conn); err != nil || string(got) != "intercepted good.example" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		other := w.connect()
		hello := string(inRecords(helloWith(sni("also.example")), 1000))
		say(t, other, hello)
		said(t, other, hello)
	}
	w := newWorld(t, open, 443, rawServer(t, echo), interceptor{"good.example", nil})
	for _, text := range []string{
		"GET / HTTP/1.1\nHost: x\nHost: y\n\n", "\x16\x03\x01\x00\x00", "\x15\x03\x01\x00\x02\x01\x00", "PRI * HTTP/2.0\r\n\r\n",
		string(inRecords(helloWith(sni("also.example"), extension(extensionECH, nil)), 1000)), string(inRecords(helloWith(sni("a", "b")), 99)),
	} {
		conn := w.connect()
		say(t, conn, text)
		said(t, conn, text) // an open policy decides nothing, so nothing is judged
	}
}

func tlsCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	return server.TLS.Certificates[0]
}

func TestEndingTheVMEndsItsConnections(t *testing.T) {
	w := newWorld(t, standard(t), 443, rawServer(t, func(conn *net.TCPConn) { time.Sleep(time.Hour) }))
	waiting, relaying := w.connect(), w.connect()
	say(t, waiting, "\x16\x03")
	say(t, relaying, string(inRecords(helloWith(sni("good.example")), 1000)))
	eventually(func() bool { return len(w.notes.list()) == 1 })
	w.end()
	wasReset(t, waiting)
	wasReset(t, relaying)
}
