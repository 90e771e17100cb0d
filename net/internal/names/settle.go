package names

import (
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// addresses of an answer, and for how long they hold, s.
type addresses struct {
	list []netip.Addr
	ttl  uint32
}

// settle caps times to live, and takes keys for encrypted ClientHellos out when names in them must be seen. It returns
// the names and the addresses that the answer leads to.
func settle(answer *dns.Msg, hostRules bool) (chain []string, found addresses) {
	found.ttl = longestTTL
	for _, section := range [][]dns.RR{answer.Answer, answer.Ns, answer.Extra} {
		for _, one := range section {
			header := one.Header()
			if header.Rrtype == dns.TypeOPT {
				continue
			}
			header.Ttl = min(header.Ttl, longestTTL)
			if hostRules {
				hideKeys(one)
			}
		}
	}
	for _, one := range answer.Answer {
		found.ttl = min(found.ttl, one.Header().Ttl)
		switch one := one.(type) {
		case *dns.CNAME:
			chain = append(chain, nameOf(one.Target))
		case *dns.A:
			found.add(one.A)
		case *dns.AAAA:
			found.add(one.AAAA)
		case *dns.HTTPS:
			found.addHints(&one.SVCB)
		case *dns.SVCB:
			found.addHints(one)
		}
	}
	return chain, found
}

func nameOf(dnsName string) string { return strings.TrimSuffix(strings.ToLower(dnsName), ".") }

func (a *addresses) add(bytes []byte) {
	if address, ok := netip.AddrFromSlice(bytes); ok {
		a.list = append(a.list, address.Unmap())
	}
}

// addHints takes the addresses that spare the guest another question.
func (a *addresses) addHints(record *dns.SVCB) {
	for _, value := range record.Value {
		switch hint := value.(type) {
		case *dns.SVCBIPv4Hint:
			for _, address := range hint.Hint {
				a.add(address)
			}
		case *dns.SVCBIPv6Hint:
			for _, address := range hint.Hint {
				a.add(address)
			}
		}
	}
}

func hideKeys(one dns.RR) {
	var record *dns.SVCB
	switch one := one.(type) {
	case *dns.HTTPS:
		record = &one.SVCB
	case *dns.SVCB:
		record = one
	default:
		return
	}
	kept := record.Value[:0]
	for _, value := range record.Value {
		if value.Key() != dns.SVCB_ECHCONFIG {
			kept = append(kept, value)
		}
	}
	record.Value = kept
}
