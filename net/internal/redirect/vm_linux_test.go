package redirect

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"ember.dev/net/internal/guard"
	"ember.dev/net/internal/names"
	"ember.dev/net/internal/policy"
	"ember.dev/net/internal/record"
)

// everywhere answers every question for an address with the one address of the outside.
type everywhere struct{}

func (everywhere) Ask(_ context.Context, question *dns.Msg) (*dns.Msg, error) {
	answer := new(dns.Msg).SetReply(question)
	header := dns.RR_Header{Name: question.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}
	answer.Answer = []dns.RR{&dns.A{Hdr: header, A: net.ParseIP(outside).To4()}}
	return answer, nil
}

func dialDirectly(ctx context.Context, _ string, to netip.AddrPort) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp4", to.String())
}

func allowing(host string) policy.Policy {
	return policy.Policy{Default: policy.ActionRefuse, Rules: []policy.Rule{{Action: policy.ActionAllow, Host: host, Text: "--allow-host " + host}}}
}

func start(t *testing.T, p policy.Policy) (*VM, *record.Recorder) {
	t.Helper()
	buildLab(t)
	recorder := record.New()
	settings := Settings{Device: cable, Address: netip.MustParseAddr(hostOfVM), Guest: netip.MustParseAddr(guestOfVM)}
	resolver := names.New(everywhere{}, names.NewPool(), func(string) bool { return false })
	vm, err := New(settings, Surroundings{Guard: guard.New(), Dial: dialDirectly, Resolver: resolver}, p, recorder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(vm.Close)
	redirect(t, vm)
	return vm, recorder
}

func ask(t *testing.T, network, name string) int {
	t.Helper()
	conn, err := dialFrom(t, network, hostOfVM+":53")
	if err != nil {
		t.Fatal(err)
	}
	exchange := &dns.Conn{Conn: conn}
	_ = exchange.SetDeadline(time.Now().Add(20 * time.Second))
	if err := exchange.WriteMsg(new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeA)); err != nil {
		t.Fatal(err)
	}
	answer, err := exchange.ReadMsg()
	if err != nil {
		t.Fatal(err)
	}
	return answer.Rcode
}

func echoAll(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			_, _ = io.Copy(conn, conn)
		}()
	}
}

func secure(t *testing.T, name string) (*tls.Conn, error) {
	t.Helper()
	conn, err := dialFrom(t, "tcp4", outside+":443")
	if err != nil {
		return nil, err // a reset may come that early
	}
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	secured := tls.Client(conn, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	return secured, secured.Handshake()
}

func certificate() *tls.Config {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	return server.TLS
}

func TestGuestOfATAPReachesByNameWhatItMay(t *testing.T) {
	if !inLab(t) {
		return
	}
	vm, recorder := start(t, allowing("*.good.example"))
	go echoAll(tls.NewListener(listenOutside(t, 443), certificate()))
	if _, err := secure(t, "a.good.example"); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("an address that was never answered: %v", err)
	}
	for name, want := range map[string]int{"a.good.example": dns.RcodeSuccess, "bad.example": dns.RcodeRefused} {
		for _, network := range []string{"udp4", "tcp4"} {
			if got := ask(t, network, name); got != want {
				t.Errorf("%s by %s: %d", name, network, got)
			}
		}
	}
	open, err := secure(t, "a.good.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"b.good.example", "bad.example"} {
		if _, err := secure(t, name); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: %v", name, err)
		}
	}
	vm.SetPolicy(allowing("else.example"))
	if _, err := open.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after a change of the policy: %v", err)
	}
	if got := recorder.Counters(); got.Allowed == 0 || got.Refused < 4 {
		t.Errorf("%+v", got)
	}
}

func TestGuestOfATAPThatIsNotConnectedReachesNothing(t *testing.T) {
	if !inLab(t) {
		return
	}
	vm, _ := start(t, policy.Open())
	go echoAll(tls.NewListener(listenOutside(t, 443), certificate()))
	open, err := secure(t, "a.example")
	if err != nil {
		t.Fatal(err)
	}
	vm.SetConnected(false)
	if _, err := open.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("what was open: %v", err)
	}
	if _, err := secure(t, "a.example"); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("another: %v", err)
	}
	vm.SetConnected(true)
	vm.SetConnected(true)
	if _, err := secure(t, "a.example"); err != nil {
		t.Errorf("connected again: %v", err)
	}
}

func TestGuestOfATAPIsToldTheRuleInHTTP(t *testing.T) {
	if !inLab(t) {
		return
	}
	rule := policy.Rule{Action: policy.ActionRefuse, Host: "bad.example", Text: "--deny-host bad.example"}
	start(t, policy.Policy{Default: policy.ActionAllow, Rules: []policy.Rule{rule}})
	listener := listenOutside(t, 80)
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RemoteAddr) }))
	conn, err := dialFrom(t, "tcp4", outside+":80")
	if err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: good.example\r\n\r\n")
	answer, err := http.ReadResponse(reader, nil)
	if err != nil || answer.StatusCode != 200 {
		t.Fatalf("%v, %v", answer, err)
	}
	if body, _ := io.ReadAll(answer.Body); !strings.HasPrefix(string(body), "198.51.100.1:") {
		t.Errorf("the server sees %q", body)
	}
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: bad.example\r\n\r\n")
	answer, err = http.ReadResponse(reader, nil)
	if err != nil || answer.StatusCode != 403 || answer.Header.Get("X-Ember-Refused") != rule.Text {
		t.Errorf("%v, %v", answer, err)
	}
}

func TestGuestOfATAPReachesNothingOfTheHost(t *testing.T) {
	if !inLab(t) {
		return
	}
	vm, recorder := start(t, policy.Open())
	tcp, dnsPort := vm.Ports()
	secret, err := net.Listen("tcp4", "198.51.100.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	defer secret.Close()
	go echoAll(secret)
	for _, address := range []string{
		"198.51.100.1:8080", // the host's other address
		netip.AddrPortFrom(vm.settings.Address, tcp).String(), // past the firewall's redirection
		netip.AddrPortFrom(vm.settings.Address, dnsPort).String(),
		"169.254.169.254:80",
	} {
		conn, err := dialFrom(t, "tcp4", address)
		if err != nil {
			continue // refused by the firewall
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.WriteString(conn, "hello")
		if n, err := conn.Read(make([]byte, 5)); err == nil || n > 0 {
			t.Errorf("%s answers", address)
		}
	}
	refused := 0
	for _, flow := range recorder.Flows() {
		if flow.Verdict == "refused" && flow.Rule == "the network contract" {
			refused++
		}
	}
	if refused != 2 {
		t.Errorf("%+v", recorder.Flows())
	}
}

func TestConnectionThatWasNotRedirectedIsReset(t *testing.T) {
	if !inLab(t) {
		return
	}
	vm, _ := start(t, policy.Open())
	run(t, "", "nft", "delete", "table", "inet", "lab")
	tcp, _ := vm.Ports()
	address := netip.AddrPortFrom(vm.settings.Address, tcp).String()
	fromGuest, errOfGuest := dialFrom(t, "tcp4", address)
	fromHost, errOfHost := net.Dial("tcp4", address)
	if fromHost != nil {
		defer fromHost.Close()
	}
	if errOfHost != nil && !errors.Is(errOfHost, syscall.ECONNRESET) && !errors.Is(errOfHost, syscall.ECONNREFUSED) {
		t.Errorf("from the host: %v", errOfHost)
	}
	if errOfGuest != nil && !errors.Is(errOfGuest, syscall.ECONNRESET) {
		t.Errorf("from the guest: %v", errOfGuest)
	}
	for _, conn := range []net.Conn{fromGuest, fromHost} {
		if conn == nil {
			continue // reset already
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("from %s: %v", conn.LocalAddr(), err)
		}
	}
}
