package names

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// serveDNS answers on the loopback, by both protocols at one port.
func serveDNS(t *testing.T, handle dns.HandlerFunc) (port string) {
	t.Helper()
	datagrams, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp4", datagrams.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range []*dns.Server{{PacketConn: datagrams, Handler: handle}, {Listener: listener, Handler: handle}} {
		ready := make(chan struct{})
		server.NotifyStartedFunc = func() { close(ready) }
		go func() { _ = server.ActivateAndServe() }()
		<-ready
		t.Cleanup(func() { _ = server.Shutdown() })
	}
	return strconv.Itoa(datagrams.LocalAddr().(*net.UDPAddr).Port)
}

func upstreamAt(ports ...string) *HostUpstream {
	var servers []string
	for _, port := range ports {
		servers = append(servers, net.JoinHostPort("127.0.0.1", port))
	}
	return &HostUpstream{servers: func() ([]string, error) { return servers, nil }}
}

func answerWith(address string) dns.HandlerFunc {
	return func(w dns.ResponseWriter, question *dns.Msg) {
		_ = w.WriteMsg(with(question, address))
	}
}

func with(question *dns.Msg, address string) *dns.Msg {
	answer := new(dns.Msg).SetReply(question)
	one, err := dns.NewRR(fmt.Sprintf("%s 60 IN A %s", question.Question[0].Name, address))
	if err == nil {
		answer.Answer = append(answer.Answer, one)
	}
	return answer
}

func askUpstream(t *testing.T, upstream *HostUpstream) (*dns.Msg, error) {
	t.Helper()
	return upstream.Ask(t.Context(), new(dns.Msg).SetQuestion("a.example.", dns.TypeA))
}

func TestOnlyTheAnswerToTheQuestionIsTaken(t *testing.T) {
	port := serveDNS(t, func(w dns.ResponseWriter, question *dns.Msg) {
		for _, change := range []func(*dns.Msg){
			func(m *dns.Msg) { m.Id++ },
			func(m *dns.Msg) { m.Question[0].Name = "b.example." },
			func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAAAA },
			func(m *dns.Msg) { m.Response = false },
		} {
			wrong := with(question, "192.0.2.66").Copy()
			change(wrong)
			_ = w.WriteMsg(wrong)
		}
		_, _ = w.Write([]byte("nonsense"))
		_ = w.WriteMsg(with(question, "192.0.2.1"))
	})
	answer, err := askUpstream(t, upstreamAt(port))
	if err != nil || len(answer.Answer) != 1 || !strings.HasSuffix(answer.Answer[0].String(), "192.0.2.1") {
		t.Errorf("%v, %v", answer, err)
	}
}

func TestIdsAndPortsDiffer(t *testing.T) {
	var mu sync.Mutex
	ids, ports := map[uint16]bool{}, map[string]bool{}
	port := serveDNS(t, func(w dns.ResponseWriter, question *dns.Msg) {
		mu.Lock()
		defer mu.Unlock()
		ids[question.Id], ports[w.RemoteAddr().String()] = true, true
		_ = w.WriteMsg(with(question, "192.0.2.1"))
	})
	for range 50 {
		if _, err := askUpstream(t, upstreamAt(port)); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(ids) < 40 || len(ports) < 40 {
		t.Errorf("%d ids, %d ports of 50", len(ids), len(ports))
	}
}

func TestLongAnswersComeByTCP(t *testing.T) {
	port := serveDNS(t, func(w dns.ResponseWriter, question *dns.Msg) {
		answer := with(question, "192.0.2.1")
		if _, ok := w.RemoteAddr().(*net.UDPAddr); ok {
			answer.Answer, answer.Truncated = nil, true
		}
		_ = w.WriteMsg(answer)
	})
	if answer, err := askUpstream(t, upstreamAt(port)); err != nil || len(answer.Answer) != 1 {
		t.Errorf("%v, %v", answer, err)
	}
}

func TestTheNextResolverIsAskedWhenOneFails(t *testing.T) {
	failing := serveDNS(t, func(w dns.ResponseWriter, question *dns.Msg) {
		_ = w.WriteMsg(new(dns.Msg).SetRcode(question, dns.RcodeServerFailure))
	})
	unused, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := strconv.Itoa(unused.LocalAddr().(*net.UDPAddr).Port)
	unused.Close()
	good := serveDNS(t, answerWith("192.0.2.1"))
	if answer, err := askUpstream(t, upstreamAt(closed, failing, good)); err != nil || len(answer.Answer) != 1 {
		t.Errorf("%v, %v", answer, err)
	}
	if answer, err := askUpstream(t, upstreamAt(failing)); err != nil || answer.Rcode != dns.RcodeServerFailure {
		t.Errorf("%v, %v", answer, err)
	}
	if _, err := askUpstream(t, upstreamAt(closed)); err == nil {
		t.Error("nobody has answered")
	}
}

func TestTheHostsResolversAreReadAgainWhenTheyChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	file := &resolvConf{path: path}
	if _, err := file.servers(); err == nil {
		t.Error("there is no file")
	}
	for _, one := range []struct{ content, want string }{
		{"nameserver 192.0.2.1\n", "192.0.2.1:53"},
		{"nameserver 192.0.2.2\nnameserver 2001:db8::1\n", "192.0.2.2:53 [2001:db8::1]:53"},
		{"# a VPN\n", ""},
	} {
		if err := os.WriteFile(path, []byte(one.content), 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := file.servers()
		if err != nil || strings.Join(list, " ") != one.want {
			t.Errorf("%q: %q, %v", one.content, list, err)
		}
	}
}
