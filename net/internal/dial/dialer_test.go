package dial

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"ember.dev/net/internal/guard"
)

// names that a pool would know.
type names map[netip.Addr]string

func (n names) NameOf(address netip.Addr) (string, bool) {
	name, ok := n[address]
	return name, ok
}

type allowing func(netip.Addr) error

func (a allowing) Check(address netip.Addr) error { return a(address) }

var everything = allowing(func(netip.Addr) error { return nil })

// proxyAt is a proxy that notes what it is asked for; a target of "refused.example:443" it refuses. It says early bytes with
// its answer.
func proxyAt(t *testing.T, early string) (url string, asked chan *http.Request) {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	asked = make(chan *http.Request, 10)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				request, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				asked <- request
				if strings.HasPrefix(request.Host, "refused.") {
					_, _ = io.WriteString(conn, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
					return
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n"+early)
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return "http://user:pass@" + listener.Addr().String(), asked
}

func TestTheWebGoesThroughTheProxyByAddress(t *testing.T) {
	url, asked := proxyAt(t, "hello")
	dialer := New(everything, names{})
	if err := dialer.SetProxy(Proxy{HTTPS: url, None: "192.0.2.0/24"}); err != nil {
		t.Fatal(err)
	}
	conn, err := dialer.TCP(t.Context(), "api.example", netip.MustParseAddrPort("198.51.100.1:443"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request := <-asked
	if request.Method != http.MethodConnect || request.Host != "198.51.100.1:443" ||
		request.Header.Get("Proxy-Authorization") != "Basic dXNlcjpwYXNz" {
		t.Errorf("%s %s %v", request.Method, request.Host, request.Header)
	}
	if _, err := io.WriteString(conn, "!"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 6)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello!" {
		t.Errorf("%q, %v", got, err)
	}
	for _, direct := range []string{"192.0.2.1:443", "198.51.100.1:22", "198.51.100.1:80"} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // it is only of interest that the proxy is not asked
		if conn, err := dialer.TCP(ctx, "", netip.MustParseAddrPort(direct)); err == nil {
			conn.Close()
		}
	}
	if len(asked) > 0 {
		t.Errorf("the proxy was asked for %s", (<-asked).Host)
	}
}

func TestNamesOfThePoolAreForTheProxyToFind(t *testing.T) {
	url, asked := proxyAt(t, "")
	at := func(text string) netip.Addr { return netip.MustParseAddr(text) }
	dialer := New(allowing(func(address netip.Addr) error {
		if address == at("127.0.0.1") {
			return &guard.Refusal{Address: address, Reason: "the host's loopback"}
		}
		return nil
	}), names{at("198.18.0.1"): "api.example", at("198.18.0.2"): "refused.example", at("198.18.0.3"): "inner.example"})
	dialer.lookup = func(_ context.Context, name string) ([]netip.Addr, error) {
		if name == "inner.example" {
			return []netip.Addr{at("127.0.0.1")}, nil // by /etc/hosts
		}
		return nil, errors.New("no such name")
	}
	if _, err := dialer.TCP(t.Context(), "", netip.MustParseAddrPort("198.18.0.1:22")); err == nil {
		t.Error("there is no proxy")
	}
	if err := dialer.SetProxy(Proxy{HTTPS: url}); err != nil {
		t.Fatal(err)
	}
	conn, err := dialer.TCP(t.Context(), "", netip.MustParseAddrPort("198.18.0.1:22"))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if request := <-asked; request.Host != "api.example:22" {
		t.Errorf("asked for %s", request.Host)
	}
	var refused *ProxyError
	if _, err := dialer.TCP(t.Context(), "", netip.MustParseAddrPort("198.18.0.2:443")); !errors.As(err, &refused) || refused.Status != 403 {
		t.Errorf("refused by the proxy: %v", err)
	}
	<-asked
	var contract *guard.Refusal
	if _, err := dialer.TCP(t.Context(), "", netip.MustParseAddrPort("198.18.0.3:443")); !errors.As(err, &contract) {
		t.Errorf("a name of the host itself: %v", err)
	}
	if _, err := dialer.UDP(netip.MustParseAddrPort("198.18.0.1:443")); err == nil {
		t.Error("datagrams have no way")
	}
}

func TestProxiesThatAreNoneAreRefusedWithoutTheirLogin(t *testing.T) {
	dialer := New(everything, names{})
	for _, url := range []string{"proxy:3128", "socks5://u:secret@proxy:1080", "http://", "://"} {
		err := dialer.SetProxy(Proxy{HTTPS: url})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestTheHostItselfIsNotReached(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	to := listener.Addr().(*net.TCPAddr).AddrPort()
	refusing := New(guard.New(), names{})
	var refusal *guard.Refusal
	if _, err := refusing.TCP(t.Context(), "", to); !errors.As(err, &refusal) {
		t.Errorf("TCP: %v", err)
	}
	if _, err := refusing.UDP(to); !errors.As(err, &refusal) {
		t.Errorf("UDP: %v", err)
	}
	if _, err := refusing.Ping(to.Addr()); !errors.As(err, &refusal) {
		t.Errorf("ping: %v", err)
	}
	// An address that comes up between the question and the connection is seen by both ends being the same.
	late := New(everything, names{})
	if _, err := late.TCP(t.Context(), "", to); !errors.Is(err, ErrSelf) {
		t.Errorf("TCP: %v", err)
	}
	if _, err := late.UDP(to); !errors.Is(err, ErrSelf) {
		t.Errorf("UDP: %v", err)
	}
}
