package policy

import (
	"net/netip"
	"sync/atomic"
	"time"
)

// Engine decides for one VM; all its methods can be called at the same time.
type Engine struct {
	policy atomic.Pointer[Policy]
}

// New makes the engine of a VM.
func New(p Policy) *Engine {
	e := &Engine{}
	e.Replace(p)
	return e
}

// Replace takes another policy; names that were pinned stay so.
func (e *Engine) Replace(p Policy) { e.policy.Store(&p) }

// Admit decides by the address, and by the names that the resolver gave for it.
func (e *Engine) Admit(protocol string, destination netip.AddrPort) Decision { return e.byDefault() }

// AdmitName decides about a connection whose client has named the host.
func (e *Engine) AdmitName(how How, name string, destination netip.AddrPort) Decision {
	return e.byDefault()
}

// MayAsk says whether the resolver answers a question about name at all.
func (e *Engine) MayAsk(name string) Decision { return e.byDefault() }

// Answered notes that the resolver told the guest these addresses for name; chain are the CNAMEs between.
func (e *Engine) Answered(name string, chain []string, addresses []netip.Addr, ttl time.Duration) {}

// NamesOf are the names that the guest was given this address for.
func (e *Engine) NamesOf(netip.Addr) []string { return nil }

// HasHostRules says whether any rule is about names: then clients must name hosts in the clear.
func (e *Engine) HasHostRules() bool {
	for _, rule := range e.policy.Load().Rules {
		if rule.Host != "" {
			return true
		}
	}
	return false
}

func (e *Engine) byDefault() Decision {
	if e.policy.Load().Default == ActionRefuse {
		return Decision{Verdict: Refuse}
	}
	return Decision{Verdict: Allow}
}
