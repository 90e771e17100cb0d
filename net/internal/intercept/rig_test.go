package intercept

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	host        = "api.example.com"
	placeholder = "ember-secret-TOKEN-1f2e3d4c"
	value       = "s3cr3t/of+the=host"
	foreign     = "ember-secret-OTHER-5b6a7988"
)

// rig is a guest, ember-net's interceptor and a host on the internet, all over loopback TCP.
type rig struct {
	t         *testing.T
	intercept *Interceptor
	guest     *x509.CertPool // what the guest trusts: its authority alone
	address   string         // where the guest's connections to the host arrive
	upstream  string         // where the host listens
	cancel    context.CancelFunc
	served    chan error // what Serve returned
}

// newRig serves handler on the internet, in HTTP/1.1 and HTTP/2.
func newRig(t *testing.T, handler http.Handler) *rig {
	t.Helper()
	internet := newTestAuthority(t)
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{Certificates: []tls.Certificate{internet.leaf(t, host)}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return newRigTo(t, internet, server.Listener.Addr().String())
}

// newRigTo intercepts connections to upstream, whose certificate is to be of the authority internet.
func newRigTo(t *testing.T, internet *testAuthority, upstream string) *rig {
	t.Helper()
	authority := newTestAuthority(t)
	i, err := New(authority.Authority, []Secret{
		mustSecret(t, "TOKEN", placeholder, value, host), mustSecret(t, "OTHER", foreign, "of another host", "*.other.example"),
	})
	if err != nil {
		t.Fatal(err)
	}
	i.roots = internet.pool()
	ctx, cancel := context.WithCancel(t.Context())
	r := &rig{t: t, intercept: i, guest: authority.pool(), upstream: upstream, cancel: cancel, served: make(chan error, 1000)}
	listener := listen(t)
	r.address = listener.Addr().String()
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { r.served <- i.Serve(ctx, conn, host, r.dial) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		cancel()
		serving.Wait()
	})
	return r
}

func (r *rig) dial(ctx context.Context) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", r.upstream)
}

// connect is a guest's TLS connection; it trusts nothing but the VM's authority.
func (r *rig) connect(protocols ...string) *tls.Conn {
	r.t.Helper()
	conn, err := tls.Dial("tcp", r.address, &tls.Config{ServerName: host, RootCAs: r.guest, NextProtos: protocols})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// client is a guest's HTTP client of one protocol, h2 or http/1.1.
func (r *rig) client(protocol string) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(protocol == "http/1.1")
	protocols.SetHTTP2(protocol == "h2")
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{ServerName: host, RootCAs: r.guest}, Protocols: protocols,
		ExpectContinueTimeout: time.Minute, DisableCompression: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, r.address)
		},
	}
	client := &http.Client{Transport: transport}
	r.t.Cleanup(client.CloseIdleConnections)
	return client
}

// eachProtocol runs a test over HTTP/1.1 and HTTP/2.
func eachProtocol(t *testing.T, test func(t *testing.T, protocol string)) {
	for _, protocol := range []string{"http/1.1", "h2"} {
		t.Run(strings.ReplaceAll(protocol, "/", ""), func(t *testing.T) { test(t, protocol) })
	}
}

// tlsServer is a host that speaks what serve does, after TLS.
func tlsServer(t *testing.T, internet *testAuthority, protocols []string, serve func(conn *tls.Conn, r *bufio.Reader)) string {
	t.Helper()
	listener := tls.NewListener(listen(t), &tls.Config{
		Certificates: []tls.Certificate{internet.leaf(t, host)}, NextProtos: protocols,
	})
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close() //nolint:errcheck // the other end may have closed it first
				if tlsConn := conn.(*tls.Conn); tlsConn.Handshake() == nil {
					serve(tlsConn, bufio.NewReader(tlsConn))
				}
			})
		}
	})
	t.Cleanup(func() { _ = listener.Close() }) // serve ends with its connections, which are closed after this
	return listener.Addr().String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

type testAuthority struct{ Authority }

func newTestAuthority(t *testing.T) *testAuthority {
	t.Helper()
	certificate, key, err := makeAuthority("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	authority, err := ParseAuthority(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	return &testAuthority{authority}
}

func (a *testAuthority) leaf(t *testing.T, name string) tls.Certificate {
	t.Helper()
	mint, err := newMint(a.Authority)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := mint.leaf(name, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return *leaf
}

func (a *testAuthority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

func mustSecret(t *testing.T, name, placeholder, value string, hosts ...string) Secret {
	t.Helper()
	s, err := NewSecret(name, placeholder, value, hosts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newRequest(t *testing.T, method, path string, body *strings.Reader) *http.Request {
	t.Helper()
	var r *http.Request
	var err error
	if body == nil {
		r, err = http.NewRequestWithContext(t.Context(), method, "https://"+host+path, nil)
	} else {
		r, err = http.NewRequestWithContext(t.Context(), method, "https://"+host+path, body)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}
