package names

import (
	"context"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"ember.dev/net/internal/policy"
	"ember.dev/net/internal/record"
)

// Upstream asks somebody else. An error means that nobody answered.
type Upstream interface {
	Ask(ctx context.Context, question *dns.Msg) (*dns.Msg, error)
}

// Resolver of an installation.
type Resolver struct {
	own      *own
	upstream Upstream
}

// New makes a resolver that asks upstream for what is not in Zone.
func New(upstream Upstream) *Resolver { return &Resolver{own: newOwn(), upstream: upstream} }

// Add makes the addresses those of a VM's name.
func (r *Resolver) Add(name string, addresses ...netip.Addr) { r.own.add(name, addresses) }

// Remove forgets a VM's name.
func (r *Resolver) Remove(name string) { r.own.remove(name) }

// Answer gives the answer to a message of a guest, at most limit bytes long; nil when there is none to give.
func (r *Resolver) Answer(ctx context.Context, message []byte, limit int, asker Asker) []byte {
	question := new(dns.Msg)
	if err := question.Unpack(message); err != nil {
		return malformed(message)
	}
	if question.Response {
		return nil
	}
	answer := r.answer(ctx, question, asker)
	if option := question.IsEdns0(); option != nil && limit == dns.MinMsgSize {
		limit = max(limit, int(option.UDPSize()))
	}
	answer.Truncate(limit)
	packed, err := answer.Pack()
	if err != nil {
		packed, _ = failed(question, dns.RcodeServerFailure).Pack() // a message without records can always be packed
	}
	return packed
}

func (r *Resolver) answer(ctx context.Context, question *dns.Msg, asker Asker) *dns.Msg {
	switch {
	case question.Opcode != dns.OpcodeQuery:
		return failed(question, dns.RcodeNotImplemented)
	case len(question.Question) != 1:
		return failed(question, dns.RcodeFormatError)
	}
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
		asker.Note(noteOf(name, "refused", decision.Rule))
		return failed(question, dns.RcodeRefused)
	}
	hostRules := asker.Engine.HasHostRules()
	if hostRules && name == canary {
		return failed(question, dns.RcodeNameError)
	}
	answer, err := r.upstream.Ask(ctx, question)
	if err != nil {
		return failed(question, dns.RcodeServerFailure)
	}
	chain, found := settle(answer, hostRules)
	asker.Note(noteOf(name, "allowed", decision.Rule))
	asker.answered(name, chain, found)
	answer.Id = question.Id
	answer.Question = question.Question // in the guest's own spelling
	return answer
}

// canary is the name by whose absence browsers know that a network wants its own resolver asked.
const canary = "use-application-dns.net"

func noteOf(name, verdict, rule string) record.Flow {
	return record.Flow{Protocol: "dns", Name: name, By: policy.Question, Verdict: verdict, Rule: rule}
}

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
