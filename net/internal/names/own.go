package names

import (
	"net/netip"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// own are the names of the installation's VMs, and of their addresses.
type own struct {
	mu     sync.RWMutex
	byName map[string][]netip.Addr
	byPTR  map[string]string
}

func newOwn() *own { return &own{byName: map[string][]netip.Addr{}, byPTR: map[string]string{}} }

func (o *own) add(name string, addresses []netip.Addr) {
	o.remove(name)
	o.mu.Lock()
	defer o.mu.Unlock()
	full := dns.CanonicalName(name + "." + Zone)
	o.byName[full] = addresses
	for _, address := range addresses {
		if reverse, err := dns.ReverseAddr(address.String()); err == nil {
			o.byPTR[reverse] = full
		}
	}
}

func (o *own) remove(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	full := dns.CanonicalName(name + "." + Zone)
	delete(o.byName, full)
	for reverse, of := range o.byPTR {
		if of == full {
			delete(o.byPTR, reverse)
		}
	}
}

// answer returns nil for names that are none of ours.
func (o *own) answer(question *dns.Msg) *dns.Msg {
	asked := question.Question[0]
	name := strings.ToLower(asked.Name)
	o.mu.RLock()
	defer o.mu.RUnlock()
	header := dns.RR_Header{Name: asked.Name, Rrtype: asked.Qtype, Class: dns.ClassINET, Ttl: ownTTL}
	answer := new(dns.Msg).SetReply(question)
	answer.Authoritative, answer.RecursionAvailable = true, true
	if target, ok := o.byPTR[name]; ok {
		if asked.Qtype == dns.TypePTR {
			answer.Answer = append(answer.Answer, &dns.PTR{Hdr: header, Ptr: target})
		}
		return answer
	}
	if !dns.IsSubDomain(Zone, name) {
		return nil
	}
	addresses, known := o.byName[name]
	if !known && name != Zone {
		answer.Rcode = dns.RcodeNameError
	}
	for _, address := range addresses {
		switch {
		case asked.Qtype == dns.TypeA && address.Is4():
			answer.Answer = append(answer.Answer, &dns.A{Hdr: header, A: address.AsSlice()})
		case asked.Qtype == dns.TypeAAAA && address.Is6():
			answer.Answer = append(answer.Answer, &dns.AAAA{Hdr: header, AAAA: address.AsSlice()})
		}
	}
	if len(answer.Answer) == 0 {
		answer.Ns = append(answer.Ns, authority())
	}
	return answer
}

// authority says for how long an absence may be remembered.
func authority() dns.RR {
	return &dns.SOA{
		Hdr:     dns.RR_Header{Name: Zone, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: ownTTL},
		Ns:      Zone,
		Mbox:    "nobody." + Zone,
		Serial:  1,
		Refresh: ownTTL, Retry: ownTTL, Expire: ownTTL, Minttl: ownTTL,
	}
}
