package names

import (
	"net/netip"
	"testing"

	"github.com/miekg/dns"
)

// The host is led to its own loopback, and to no address of a guest.
func TestHostAsksForVMs(t *testing.T) {
	resolver := &Resolver{own: newOwn()}
	resolver.own.add("web", []netip.Addr{netip.MustParseAddr("10.100.0.3"), netip.MustParseAddr("fd00::3")})
	for _, test := range []struct {
		name  string
		kind  uint16
		rcode int
		want  string
	}{
		{"web.ember.internal.", dns.TypeA, dns.RcodeSuccess, "127.0.0.1"},
		{"WEB.ember.internal.", dns.TypeA, dns.RcodeSuccess, "127.0.0.1"},
		{"web.ember.internal.", dns.TypeAAAA, dns.RcodeSuccess, ""},
		{"db.ember.internal.", dns.TypeA, dns.RcodeNameError, ""},
		{"example.org.", dns.TypeA, dns.RcodeRefused, ""},
	} {
		question, err := new(dns.Msg).SetQuestion(test.name, test.kind).Pack()
		if err != nil {
			t.Fatal(err)
		}
		answer := new(dns.Msg)
		if err := answer.Unpack(resolver.answerHost(question, dns.MinMsgSize)); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, record := range answer.Answer {
			if a, ok := record.(*dns.A); ok {
				got += a.A.String()
			} else {
				t.Errorf("%s: %s", test.name, record)
			}
		}
		if answer.Rcode != test.rcode || got != test.want {
			t.Errorf("%s %s: %s %q, want %s %q", test.name, dns.TypeToString[test.kind], dns.RcodeToString[answer.Rcode], got, dns.RcodeToString[test.rcode], test.want)
		}
	}
}
