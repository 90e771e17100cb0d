package policy

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// table is one policy, arranged. It never changes.
type table struct {
	allow, refuse *ruleset
	defaultAllows bool
}

func newTable(policy Policy) *table {
	return &table{
		allow:         newRuleset(policy.Rules, ActionAllow),
		refuse:        newRuleset(policy.Rules, ActionRefuse),
		defaultAllows: policy.Default == ActionAllow,
	}
}

// Engine decides for one VM. Its methods may be called at the same time.
type Engine struct {
	table   atomic.Pointer[table]
	answers *answers

	mu    sync.Mutex // for holds, and so that no connection slips in while the policy is replaced
	holds map[*Hold]struct{}
}

// New makes an engine for a policy that Validate found nothing wrong with.
func New(policy Policy) *Engine {
	engine := &Engine{answers: newAnswers(), holds: map[*Hold]struct{}{}}
	engine.table.Store(newTable(policy))
	return engine
}

// Replace puts a policy in place of the present one and closes the held connections that it does not allow. Answers stay.
func (e *Engine) Replace(policy Policy) {
	replaced := newTable(policy)
	e.mu.Lock()
	e.table.Store(replaced)
	refused := map[*Hold]Decision{}
	for hold := range e.holds {
		if decision := hold.judge(replaced); decision.Verdict == Refuse {
			refused[hold] = decision
			delete(e.holds, hold)
		}
	}
	e.mu.Unlock()
	for hold, decision := range refused {
		hold.close(decision)
	}
}

// Answered notes that the resolver gave the guest these addresses for the name that it asked, by way of chain (CNAMEs).
// They are the name's for ttl and a grace period.
func (e *Engine) Answered(name string, chain []string, addresses []netip.Addr, ttl time.Duration) {
	asked, ok := NormalName(name)
	if !ok || len(addresses) == 0 {
		return
	}
	var between []string
	for _, alias := range chain[:min(len(chain), maxChain)] {
		if alias, ok := NormalName(alias); ok && alias != asked {
			between = append(between, alias)
		}
	}
	e.answers.add(asked, between, addresses, ttl)
}

// NamesOf are the names that the address was answered for, the newest first.
func (e *Engine) NamesOf(address netip.Addr) []string { return e.answers.names(address) }

// HasHostRules says whether any rule is about names: then clients must name hosts in the clear.
func (e *Engine) HasHostRules() bool {
	t := e.table.Load()
	return t.allow.hasHosts() || t.refuse.hasHosts()
}
