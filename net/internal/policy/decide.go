package policy

import (
	"net/netip"
	"slices"
)

// httpPorts are those at which a refusal waits for the client's request, so that it can be told with HTTP's words.
func isHTTPPort(port uint16) bool { return port == 80 || port == 8080 }

const quicPort = 443

// Admit decides by address and by the names that the address was answered for. TCP that a host rule may decide about is
// to be inspected. UDP and ICMP carry no name that could be checked, so that host rules allow none of it; those that
// refuse hold for the addresses that were answered for their names, and for QUIC wherever the default would let it pass.
func (e *Engine) Admit(protocol string, destination netip.AddrPort) Decision {
	t, destination := e.table.Load(), normal(destination)
	if rule := t.refuse.byAddress(protocol, destination); rule != nil {
		return later(protocol, destination, byRule(Refuse, rule))
	}
	if protocol != TCP {
		return e.admitNameless(t, protocol, destination)
	}
	if t.refuse.mayDecide(destination.Port()) != nil {
		return Decision{Verdict: Inspect}
	}
	decision := e.byAnswers(t, protocol, destination)
	if decision.Verdict == Allow && !decision.named {
		return decision.Decision
	}
	if decision.Verdict == Allow {
		return Decision{Verdict: Inspect, Name: decision.Name}
	}
	return later(protocol, destination, decision.Decision)
}

// later puts off a refusal of what may be HTTP until there is a request to answer. Nothing is dialled before.
func later(protocol string, destination netip.AddrPort, decision Decision) Decision {
	if protocol == TCP && isHTTPPort(destination.Port()) {
		return Decision{Verdict: Inspect, Name: decision.Name}
	}
	return decision
}

func (e *Engine) admitNameless(t *table, protocol string, destination netip.AddrPort) Decision {
	decision := e.byAnswers(t, protocol, destination)
	if decision.Verdict == Refuse || decision.Rule != "" {
		return decision.Decision
	}
	if protocol == UDP && destination.Port() == quicPort {
		if rule := t.refuse.mayDecide(quicPort); rule != nil {
			return Decision{Verdict: Refuse, Rule: rule.Text, Name: decision.Name, Reason: ReasonQUIC}
		}
	}
	return decision.Decision
}

// AdmitName decides about TCP by a name that the client used (SNI, Host), which must be one that the address was answered
// for; or, how being Answer, by those names alone. It never says Inspect.
func (e *Engine) AdmitName(how How, name string, destination netip.AddrPort) Decision {
	t, destination := e.table.Load(), normal(destination)
	if rule := t.refuse.byAddress(TCP, destination); rule != nil {
		decision := byRule(Refuse, rule)
		decision.Name = name
		return decision
	}
	if how == Answer || how == Address {
		return e.byAnswers(t, TCP, destination).Decision
	}
	name, ok := NormalName(name)
	if !ok {
		return Decision{Verdict: Refuse, Reason: ReasonBadName}
	}
	pinned, refusing := e.pinned(t, name, destination)
	if refusing != nil {
		decision := byRule(Refuse, refusing)
		decision.Name = name
		return decision
	}
	return t.byName(name, destination, pinned)
}

// byName decides by rules alone, once nothing refuses the address. A name that was not answered with it allows nothing.
func (t *table) byName(name string, destination netip.AddrPort, pinned bool) Decision {
	if rule := t.refuse.byName(name, destination.Port()); rule != nil {
		return Decision{Verdict: Refuse, Rule: rule.Text, Name: name, Reason: ReasonRule}
	}
	allowing := t.allow.byName(name, destination.Port())
	if allowing != nil && pinned {
		return Decision{Verdict: Allow, Rule: allowing.Text, Name: name}
	}
	decision := t.byDefault(TCP, destination)
	decision.Name = name
	if decision.Verdict == Refuse && allowing != nil {
		decision.Reason = ReasonLie
	}
	return decision
}

// byDefault decides by what allows addresses: CIDR rules, and the default.
func (t *table) byDefault(protocol string, destination netip.AddrPort) Decision {
	if rule := t.allow.byAddress(protocol, destination); rule != nil {
		return byRule(Allow, rule)
	}
	if t.defaultAllows {
		return Decision{Verdict: Allow}
	}
	return Decision{Verdict: Refuse, Reason: ReasonNoRule}
}

func byRule(verdict Verdict, rule *Rule) Decision {
	decision := Decision{Verdict: verdict, Rule: rule.Text}
	if verdict == Refuse {
		decision.Reason = ReasonRule
	}
	return decision
}

// answered is a decision by pinned names; named when a host rule allowed.
type answered struct {
	Decision
	named bool
}

func (e *Engine) byAnswers(t *table, protocol string, destination netip.AddrPort) answered {
	e.answers.mu.RLock()
	defer e.answers.mu.RUnlock()
	now, newest := e.answers.now(), ""
	var allowing *Rule
	var allowed string
	for _, pin := range slices.Backward(e.answers.byAddress[destination.Addr()]) {
		if !now.Before(pin.until) {
			continue
		}
		if rule := t.refusing(pin, destination.Port()); rule != nil {
			return answered{Decision: Decision{Verdict: Refuse, Rule: rule.Text, Name: pin.name, Reason: ReasonRule}}
		}
		if newest == "" {
			newest = pin.name
		}
		if protocol == TCP && allowing == nil {
			allowing, allowed = t.allow.byName(pin.name, destination.Port()), pin.name
		}
	}
	decision := t.byDefault(protocol, destination)
	decision.Name = newest
	if allowing != nil && decision.Verdict == Refuse {
		return answered{Decision{Verdict: Allow, Rule: allowing.Text, Name: allowed}, true}
	}
	return answered{Decision: decision}
}

// pinned says whether the address was answered for the name, and which rule refuses a name that it was reached by: the
// name's own chain, or, where the name is not one of them and so may be a lie, any.
func (e *Engine) pinned(t *table, name string, destination netip.AddrPort) (is bool, refusing *Rule) {
	e.answers.mu.RLock()
	defer e.answers.mu.RUnlock()
	now := e.answers.now()
	for _, pin := range e.answers.byAddress[destination.Addr()] {
		if !now.Before(pin.until) {
			continue
		}
		rule := t.refusing(pin, destination.Port())
		if pin.name == name {
			return true, rule
		}
		if refusing == nil {
			refusing = rule
		}
	}
	return false, refusing
}

func (t *table) refusing(pin *pin, port uint16) *Rule {
	if rule := t.refuse.byName(pin.name, port); rule != nil {
		return rule
	}
	for _, alias := range pin.chain {
		if rule := t.refuse.byName(alias, port); rule != nil {
			return rule
		}
	}
	return nil
}

// MayAsk says whether the resolver may ask for the name: a question can carry out a secret as well as a connection can.
// Where the default refuses, that is the names which a host rule allows at some port, or all when a CIDR rule is for all
// addresses. Where it allows, all names: what a rule refuses is told better when the guest connects.
func (e *Engine) MayAsk(name string) Decision {
	t := e.table.Load()
	if t.defaultAllows {
		return Decision{Verdict: Allow, Name: name}
	}
	name, ok := NormalName(name)
	if !ok {
		return Decision{Verdict: Refuse, Reason: ReasonBadName}
	}
	if rule := t.refuse.find(name, func(rule *Rule) bool { return rule.Port == 0 }); rule != nil {
		return Decision{Verdict: Refuse, Rule: rule.Text, Name: name, Reason: ReasonRule}
	}
	if rule := t.allow.find(name, func(*Rule) bool { return true }); rule != nil {
		return Decision{Verdict: Allow, Rule: rule.Text, Name: name}
	}
	if t.allow.coversAll() {
		return Decision{Verdict: Allow, Name: name}
	}
	return Decision{Verdict: Refuse, Name: name, Reason: ReasonNoRule}
}

func normal(destination netip.AddrPort) netip.AddrPort {
	address := destination.Addr()
	if address.Is4() {
		return destination
	}
	return netip.AddrPortFrom(address.Unmap().WithZone(""), destination.Port())
}
