package names

import (
	"context"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"ember.dev/net/internal/policy"
)

// Upstream asks somebody else. An error means that nobody answered.
type Upstream interface {
	Ask(ctx context.Context, question *dns.Msg) (*dns.Msg, error)
}

// Resolver of an installation.
type Resolver struct {
	own      *own
	upstream Upstream
	pool     *Pool
	outside  outside
	proxyFor func(name string) bool
}

// New makes a resolver that asks upstream for what is not in Zone. Where upstream knows nothing of the outside, names that
// proxyFor has a proxy for get addresses of pool.
func New(upstream Upstream, pool *Pool, proxyFor func(name string) bool) *Resolver {
	return &Resolver{own: newOwn(), upstream: upstream, pool: pool, proxyFor: proxyFor}
}

// Add makes the addresses those of a VM's name.
func (r *Resolver) Add(name string, addresses ...netip.Addr) { r.own.add(name, addresses) }

// Remove forgets a VM's name.
func (r *Resolver) Remove(name string) { r.own.remove(name) }

// answerBy reads a message, and packs what answer says to it. limit is 512 bytes for datagrams, unless the asker has room
// for more.
func answerBy(message []byte, limit int, answer func(*dns.Msg) *dns.Msg) []byte {
	question := new(dns.Msg)
	if err := question.Unpack(message); err != nil {
		return malformed(message)
	}
	switch {
	case question.Response:
		return nil
	case question.Opcode != dns.OpcodeQuery:
		return pack(failed(question, dns.RcodeNotImplemented), limit)
	case len(question.Question) != 1:
		return pack(failed(question, dns.RcodeFormatError), limit)
	}
	if option := question.IsEdns0(); option != nil && limit == dns.MinMsgSize {
		limit = max(limit, int(option.UDPSize()))
	}
	return pack(answer(question), limit)
}

func pack(answer *dns.Msg, limit int) []byte {
	answer.Truncate(limit)
	packed, err := answer.Pack()
	if err != nil {
		// What upstream said cannot be said again; a message without records can always be packed.
		packed, _ = failed(&dns.Msg{MsgHdr: answer.MsgHdr, Question: answer.Question}, dns.RcodeServerFailure).Pack()
	}
	return packed
}

func (r *Resolver) answer(ctx context.Context, question *dns.Msg, asker Asker) *dns.Msg {
	asked := question.Question[0]
	if asked.Qclass != dns.ClassINET || asked.Qtype == dns.TypeAXFR || asked.Qtype == dns.TypeIXFR {
		return failed(question, dns.RcodeRefused)
	}
	if answer := r.own.answer(question); answer != nil {
		return answer
	}
	name := strings.TrimSuffix(strings.ToLower(asked.Name), ".")
	decision := asker.Engine.MayAsk(name)
	if decision.Verdict == policy.Refuse {
		asker.note(name, decision)
		return failed(question, dns.RcodeRefused)
	}
	hostRules := asker.Engine.HasHostRules()
	if hostRules && name == canary {
		return failed(question, dns.RcodeNameError)
	}
	answer := r.ask(ctx, question, name)
	chain, found := settle(answer, hostRules)
	asker.note(name, decision)
	asker.answered(name, chain, found)
	answer.Id = question.Id
	answer.Question = question.Question // in the guest's own spelling
	return answer
}

// ask gives what upstream knows, or else an address by which a proxy is asked.
func (r *Resolver) ask(ctx context.Context, question *dns.Msg, name string) *dns.Msg {
	answer, err := r.upstream.Ask(ctx, question)
	if err == nil && answer.Rcode == dns.RcodeSuccess {
		return answer
	}
	if strings.Contains(name, ".") && r.proxyFor(name) && !r.outside.isKnown(ctx, r.upstream) {
		return r.pool.answer(question, name)
	}
	if err != nil {
		return failed(question, dns.RcodeServerFailure)
	}
	return answer
}

// canary is the name by whose absence browsers know that a network wants its own resolver asked.
const canary = "use-application-dns.net"

func failed(question *dns.Msg, code int) *dns.Msg {
	answer := new(dns.Msg).SetRcode(question, code)
	answer.RecursionAvailable = true
	return answer
}

// malformed answers a message that cannot be read, if its beginning says whose it is.
func malformed(message []byte) []byte {
	const headerLength, response = 12, 0x80
	if len(message) < headerLength || message[2]&response != 0 {
		return nil
	}
	header := make([]byte, headerLength)
	copy(header, message[:2])
	header[2], header[3] = response, dns.RcodeFormatError
	return header
}
