package names

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/miekg/dns"
)

func TestTheHostIsAnsweredForTheVMsNamesAlone(t *testing.T) {
	free, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	free.Close()
	r := New(upstreamOf{err: errors.New("nobody is asked")}, NewPool(), noProxy)
	r.Add("web", netip.MustParseAddr("10.100.0.3"))
	server, err := ServeHost(port, r)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for _, network := range []string{"udp", "tcp"} {
		client := &dns.Client{Net: network}
		at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), server.Port()).String()
		answer, _, err := client.Exchange(new(dns.Msg).SetQuestion("web.ember.internal.", dns.TypeA), at)
		if err != nil || len(answer.Answer) != 1 {
			t.Errorf("%s: %v, %v", network, answer, err)
		}
		if answer, _, err = client.Exchange(new(dns.Msg).SetQuestion("a.example.", dns.TypeA), at); err != nil || answer.Rcode != dns.RcodeRefused {
			t.Errorf("%s: %v, %v", network, answer, err)
		}
	}
	if _, err := ServeHost(port, r); err == nil {
		t.Error("a port is served twice")
	}
}
