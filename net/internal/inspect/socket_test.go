package inspect

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"ember.dev/net/internal/policy"
)

// guestSocket is a guest's connection that really is a socket of this host.
type guestSocket struct{ *net.TCPConn }

func (g guestSocket) Reset() {
	_ = g.SetLinger(0)
	_ = g.Close()
}

// world is a VM whose connections to a destination all reach one server.
type world struct {
	t           *testing.T
	engine      *policy.Engine
	destination netip.AddrPort
	server      string
	intercept   Interceptor
	notes       notes
	ctx         context.Context
	end         context.CancelFunc
	serving     sync.WaitGroup
	listener    net.Listener
}

func newWorld(t *testing.T, engine *policy.Engine, port uint16, server string, intercept ...Interceptor) *world {
	t.Helper()
	w := &world{t: t, engine: engine, destination: netip.AddrPortFrom(good.Addr(), port), server: server}
	if len(intercept) > 0 {
		w.intercept = intercept[0]
	}
	w.ctx, w.end = context.WithCancel(context.Background())
	w.listener = listen(t)
	w.serving.Go(func() {
		for {
			conn, err := w.listener.Accept()
			if err != nil {
				return
			}
			w.serving.Go(func() { w.serve(conn.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() {
		w.end()
		w.listener.Close()
		w.serving.Wait() // a Serve that does not return fails by the tests' time limit
	})
	return w
}

func (w *world) serve(conn *net.TCPConn) {
	dial := func(ctx context.Context, _ string, _ netip.AddrPort) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", w.server)
	}
	Serve(w.ctx, guestSocket{conn}, w.destination, &VM{Engine: w.engine, Dial: dial, Intercept: w.intercept, Record: &w.notes})
}

// connect is what a program in the guest does.
func (w *world) connect() *net.TCPConn {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.listener.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

// rawServer runs handle for each connection.
func rawServer(t *testing.T, handle func(*net.TCPConn)) string {
	listener := listen(t)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				handle(conn.(*net.TCPConn))
			}()
		}
	}()
	return listener.Addr().String()
}

func echo(conn *net.TCPConn) {
	_, _ = io.Copy(conn, conn)
	_ = conn.CloseWrite()
}

func tlsServer(t *testing.T, change func(*tls.Config)) string {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.ServerName)
	}))
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{}
	change(server.TLS)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func (w *world) client(config *tls.Config) *http.Client {
	config.InsecureSkipVerify = true
	transport := &http.Transport{
		TLSClientConfig: config, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", w.listener.Addr().String())
		},
	}
	w.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func said(t *testing.T, conn net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != want {
		t.Fatalf("got %q, %v; want %q", got, err, want)
	}
}

func say(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

func wasReset(t *testing.T, conn net.Conn) {
	t.Helper()
	for {
		_, err := conn.Read(make([]byte, 1024))
		if errors.Is(err, syscall.ECONNRESET) {
			return
		}
		if err != nil {
			t.Fatalf("%v instead of a reset", err)
		}
	}
}

func fetch(t *testing.T, client *http.Client, url string) (status int, body string, header http.Header) {
	t.Helper()
	answer, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text), answer.Header
}

// eventually waits for what another goroutine is about to do; the tests' time limit is its own.
func eventually(done func() bool) {
	for !done() {
		time.Sleep(time.Millisecond)
	}
}
