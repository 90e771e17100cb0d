package policy

import (
	"net/netip"
	"slices"
)

// Hold is an open connection, which a new policy may close.
type Hold struct {
	engine      *Engine
	protocol    string
	destination netip.AddrPort
	close       func(Decision)
	// names are what the client said; without any, answered decides: what the address was answered for at the time.
	names    []string
	answered []string
}

// Hold registers a connection that was just decided about, and decides again: the policy may have been replaced between.
// When it says Refuse the hold is nil. Otherwise close is called, once, when a new policy refuses the connection, from the
// goroutine that replaces it; it must not wait. name is what the client said, or "".
func (e *Engine) Hold(protocol string, destination netip.AddrPort, name string, close func(Decision)) (*Hold, Decision) {
	hold := &Hold{engine: e, protocol: protocol, destination: normal(destination), close: close}
	hold.answered = e.NamesOf(destination.Addr())
	if name, ok := NormalName(name); ok {
		hold.names = []string{name}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	decision := hold.judge(e.table.Load())
	if decision.Verdict == Refuse {
		return nil, decision
	}
	e.holds[hold] = struct{}{}
	return hold, decision
}

// Named adds a name that the client said on the connection (HTTP's next request). On Refuse it is not added.
func (h *Hold) Named(name string) Decision {
	h.engine.mu.Lock()
	defer h.engine.mu.Unlock()
	name, ok := NormalName(name)
	if !ok {
		return h.judge(h.engine.table.Load())
	}
	decision := h.engine.table.Load().byName(name, h.destination, true)
	if decision.Verdict != Refuse && !slices.Contains(h.names, name) {
		h.names = append(h.names, name)
	}
	return decision
}

// Release ends the registration. Idempotent; close is not called after it has returned, unless it is being called.
func (h *Hold) Release() {
	h.engine.mu.Lock()
	delete(h.engine.holds, h)
	h.engine.mu.Unlock()
}

// judge decides by the rules of a table; answers were checked when the connection began, and may have run out since.
func (h *Hold) judge(t *table) Decision {
	if rule := t.refuse.byAddress(h.protocol, h.destination); rule != nil {
		return byRule(Refuse, rule)
	}
	if len(h.names) > 0 {
		return h.judgeNames(t)
	}
	port := h.destination.Port()
	decision := t.byDefault(h.protocol, h.destination)
	for _, name := range h.answered {
		if rule := t.refuse.byName(name, port); rule != nil {
			return Decision{Verdict: Refuse, Rule: rule.Text, Name: name, Reason: ReasonRule}
		}
		if rule := t.allow.byName(name, port); rule != nil && h.protocol == TCP && decision.Verdict == Refuse {
			decision = Decision{Verdict: Allow, Rule: rule.Text, Name: name}
		}
	}
	return decision
}

func (h *Hold) judgeNames(t *table) (decision Decision) {
	for _, name := range h.names {
		decision = t.byName(name, h.destination, true)
		if decision.Verdict == Refuse {
			return decision
		}
	}
	return decision
}
