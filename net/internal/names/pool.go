package names

import (
	"encoding/binary"
	"net/netip"
	"sync"

	"github.com/miekg/dns"
)

// poolTTL of answers out of the pool: the host's resolvers may know the name soon, s.
const poolTTL = 30

// poolSize is of 198.18.0.0/15, the addresses that nobody else has (RFC 2544), without the first and the last.
const poolSize = 1<<17 - 2

var poolFirst = binary.BigEndian.Uint32([]byte{198, 18, 0, 1})

// Pool gives addresses to names that the host's resolvers do not know and a proxy may.
type Pool struct {
	mu      sync.Mutex
	next    uint32
	byName  map[string]netip.Addr
	byValue map[netip.Addr]string
}

// NewPool makes an empty pool.
func NewPool() *Pool { return &Pool{byName: map[string]netip.Addr{}, byValue: map[netip.Addr]string{}} }

// NameOf says which name an address stands for.
func (p *Pool) NameOf(address netip.Addr) (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	name, ok := p.byValue[address]
	return name, ok
}

// addressOf gives a name its address; the oldest name loses its own when there is no other.
func (p *Pool) addressOf(name string) netip.Addr {
	p.mu.Lock()
	defer p.mu.Unlock()
	if address, ok := p.byName[name]; ok {
		return address
	}
	var bytes [4]byte
	binary.BigEndian.PutUint32(bytes[:], poolFirst+p.next)
	p.next = (p.next + 1) % poolSize
	address := netip.AddrFrom4(bytes)
	delete(p.byName, p.byValue[address])
	p.byName[name], p.byValue[address] = address, name
	return address
}

// answer gives the name's address out of the pool; no data for other types than A.
func (p *Pool) answer(question *dns.Msg, name string) *dns.Msg {
	answer := new(dns.Msg).SetReply(question)
	answer.RecursionAvailable = true
	asked := question.Question[0]
	if asked.Qtype == dns.TypeA {
		header := dns.RR_Header{Name: asked.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: poolTTL}
		answer.Answer = []dns.RR{&dns.A{Hdr: header, A: p.addressOf(name).AsSlice()}}
	}
	return answer
}
