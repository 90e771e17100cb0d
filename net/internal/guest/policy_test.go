package guest

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"ember.dev/net/internal/peer"
	"ember.dev/net/internal/policy"
)

// zone answers questions for addresses: each name has the one address, and the names that it leads to.
type zone map[string]string

func (z zone) Ask(_ context.Context, question *dns.Msg) (*dns.Msg, error) {
	answer := new(dns.Msg).SetReply(question)
	asked := question.Question[0]
	if address, ok := z[strings.TrimSuffix(strings.ToLower(asked.Name), ".")]; ok && asked.Qtype == dns.TypeA {
		header := dns.RR_Header{Name: asked.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}
		answer.Answer = append(answer.Answer, &dns.A{Hdr: header, A: net.ParseIP(address).To4()})
	} else {
		answer.Rcode = dns.RcodeNameError
	}
	return answer, nil
}

// resolve is what a program in the guest does first.
func resolve(t *testing.T, machine *peer.Guest, vm *VM, name string) (code int, addresses []string) {
	t.Helper()
	conn, err := machine.DialUDP(toStack(vm.addresses.Resolver), 53)
	if err != nil {
		t.Fatal(err)
	}
	exchange := &dns.Conn{Conn: conn}
	defer exchange.Close()
	_ = exchange.SetDeadline(time.Now().Add(20 * time.Second))
	if err := exchange.WriteMsg(new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeA)); err != nil {
		t.Fatal(err)
	}
	answer, err := exchange.ReadMsg()
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range answer.Answer {
		if a, ok := one.(*dns.A); ok {
			addresses = append(addresses, a.A.String())
		}
	}
	return answer.Rcode, addresses
}

func connectFrom(t *testing.T, machine *peer.Guest, address netip.Addr, server net.Addr) (net.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := machine.DialTCP(ctx, toStack(address), uint16(server.(*net.TCPAddr).Port))
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn, nil
}

func allowHost(pattern string) policy.Policy {
	rule := policy.Rule{Action: policy.ActionAllow, Host: pattern, Text: "--allow-host " + pattern}
	return policy.Policy{Default: policy.ActionRefuse, Rules: []policy.Rule{rule}}
}

func startWithPolicy(t *testing.T, p policy.Policy) (*VM, *peer.Guest) {
	settings := settingsFor(t, 1)
	settings.Policy = p
	names := zone{"good.example": outside.String(), "bad.example": outside.String(), "cdn.good.example": "192.0.2.2"}
	return start(t, newWorld(names), settings)
}

func tlsEcho(t *testing.T) net.Listener {
	t.Helper()
	certificate := httptest.NewTLSServer(nil)
	certificate.Close()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", certificate.TLS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
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
	}()
	return listener
}

func echoes(t *testing.T, conn net.Conn) error {
	t.Helper()
	if _, err := io.WriteString(conn, "hello"); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, 5))
	return err
}

func TestGuestReachesByTLSOnlyTheNamesThatItMay(t *testing.T) {
	vm, machine := startWithPolicy(t, allowHost("good.example"))
	server := tlsEcho(t)
	if _, err := connectFrom(t, machine, outside, server.Addr()); err == nil {
		t.Error("connected to an address that was never answered")
	}
	if code, _ := resolve(t, machine, vm, "bad.example"); code != dns.RcodeRefused {
		t.Errorf("a question for a name that no rule allows: %d", code)
	}
	if code, got := resolve(t, machine, vm, "good.example"); code != dns.RcodeSuccess || len(got) != 1 {
		t.Fatalf("%d, %q", code, got)
	}
	for name, want := range map[string]bool{"good.example": true, "bad.example": false, "cdn.good.example": false} {
		conn, err := connectFrom(t, machine, outside, server.Addr())
		if err != nil {
			t.Fatal(err)
		}
		secured := tls.Client(conn, &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err := echoes(t, secured); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	facts := map[string]string{}
	for _, flow := range vm.recorder.Flows() {
		facts[flow.Protocol+" "+string(flow.By)+" "+flow.Name] += flow.Verdict
	}
	for fact, want := range map[string]string{
		"dns question bad.example": "refused", "dns question good.example": "allowed", "tcp address ": "refused",
		"tcp sni good.example": "allowed", "tcp sni bad.example": "refused", "tcp sni cdn.good.example": "refused",
	} {
		if facts[fact] != want {
			t.Errorf("%s: %q in %v", fact, facts[fact], facts)
		}
	}
}

func TestGuestsConnectionEndsWithThePolicyThatAllowedIt(t *testing.T) {
	vm, machine := startWithPolicy(t, allowHost("*.example"))
	server := tlsEcho(t)
	open := map[string]net.Conn{}
	for _, name := range []string{"good.example", "bad.example"} {
		resolve(t, machine, vm, name)
		conn, err := connectFrom(t, machine, outside, server.Addr())
		if err != nil {
			t.Fatal(err)
		}
		open[name] = tls.Client(conn, &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err := echoes(t, open[name]); err != nil {
			t.Fatal(err)
		}
	}
	vm.SetPolicy(allowHost("good.example"))
	if _, err := open["bad.example"].Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("the connection goes on: %v", err)
	}
	if err := echoes(t, open["good.example"]); err != nil {
		t.Errorf("what is still allowed: %v", err)
	}
	vm.SetPolicy(policy.Policy{Default: policy.ActionRefuse, Rules: []policy.Rule{
		{Action: policy.ActionAllow, CIDR: netip.PrefixFrom(outside, 32), Text: "--allow-cidr 192.0.2.1/32"},
	}})
	if err := echoes(t, open["good.example"]); err != nil {
		t.Errorf("what its address allows: %v", err)
	}
}

func TestDirectConnectionAndDatagramsEndWithThePolicyToo(t *testing.T) {
	vm, machine := startWithPolicy(t, policy.Open())
	listener := tlsEcho(t)
	conn, err := connectFrom(t, machine, outside, listener.Addr())
	if err != nil {
		t.Fatal(err)
	}
	secured := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	if err := echoes(t, secured); err != nil {
		t.Fatal(err)
	}
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	datagrams, err := machine.DialUDP(toStack(outside), uint16(socket.LocalAddr().(*net.UDPAddr).Port))
	if err != nil {
		t.Fatal(err)
	}
	defer datagrams.Close()
	_, _ = datagrams.Write([]byte("x"))
	_ = socket.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, _, err := socket.ReadFrom(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	vm.SetPolicy(policy.Policy{Default: policy.ActionRefuse})
	if _, err := secured.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("TCP goes on: %v", err)
	}
	for vm.flows.number("udp") > 0 {
		time.Sleep(time.Millisecond)
	}
}

func TestGuestIsToldTheRuleInHTTP(t *testing.T) {
	refusing := policy.Rule{Action: policy.ActionRefuse, Host: "bad.example", Text: "--deny-host bad.example"}
	vm, machine := startWithPolicy(t, policy.Policy{Default: policy.ActionAllow, Rules: []policy.Rule{refusing}})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host) }))
	defer server.Close()
	resolve(t, machine, vm, "good.example")
	resolve(t, machine, vm, "bad.example")
	conn, err := connectFrom(t, machine, outside, server.Listener.Addr())
	if err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	for _, host := range []string{"good.example", "bad.example"} {
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		refused := answer.StatusCode == 403 && answer.Header.Get("X-Ember-Refused") == refusing.Text && strings.Contains(string(body), refusing.Text)
		if refused != (host == "bad.example") {
			t.Errorf("%s: %d %q", host, answer.StatusCode, body)
		}
	}
}

func TestServerMaySpeakFirstToAGuestWhoseLineHasNoEnd(t *testing.T) {
	vm, machine := startWithPolicy(t, allowHost("good.example"))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "220 hello\r\n")
		_, _ = io.Copy(conn, conn)
	}()
	resolve(t, machine, vm, "good.example")
	conn, err := connectFrom(t, machine, outside, listener.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := bufio.NewReaderSize(conn, 16).ReadString('\n'); err != nil || got != "220 hello\r\n" {
		t.Fatalf("%q, %v", got, err)
	}
	if err := echoes(t, conn); err != nil {
		t.Error(err)
	}
}
