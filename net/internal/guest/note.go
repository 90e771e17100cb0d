package guest

import (
	"net/netip"

	"ember.dev/net/internal/guard"
	"ember.dev/net/internal/policy"
	"ember.dev/net/internal/record"
)

// admit asks the contract and the policy about a flow, and notes a refusal.
func (vm *VM) admit(protocol string, destination netip.AddrPort) policy.Decision {
	if err := vm.guard.Check(destination.Addr()); err != nil {
		decision := guard.Decision(err)
		vm.note(protocol, destination, decision)
		return decision
	}
	decision := vm.withoutQUIC(vm.engine.Admit(protocol, destination), protocol, destination)
	if decision.Verdict == policy.Refuse {
		vm.note(protocol, destination, decision)
	}
	return decision
}

// note records what became of an attempt to reach an address.
func (vm *VM) note(protocol string, destination netip.AddrPort, decision policy.Decision) {
	by := policy.Address
	if decision.Name == "" {
		if names := vm.engine.NamesOf(destination.Addr()); len(names) > 0 {
			decision.Name = names[0]
		}
	}
	if decision.Name != "" {
		by = policy.Answer
	}
	vm.recorder.Note(record.FlowOf(protocol, by, decision, destination.Addr().String(), destination.Port()))
}

// hold has the flow ended, and noted as refused, when another policy does not allow it. Nil: this one does not.
func (vm *VM) hold(one *flow) (*policy.Hold, policy.Decision) {
	hold, decision := vm.engine.Hold(one.protocol, one.destination, "", func(decision policy.Decision) {
		vm.note(one.protocol, one.destination, decision)
		one.end()
	})
	if hold == nil {
		vm.note(one.protocol, one.destination, decision)
	}
	return hold, decision
}

// overLimit is what becomes of more than a VM may have at a time.
var overLimit = policy.Decision{Verdict: policy.Refuse, Rule: "the limit of a VM", Reason: "more at a time than a VM may have"}

// begin counts a flow among those that go on; it notes a refusal when there are limit of its kind.
func (vm *VM) begin(one *flow, limit int) bool {
	if vm.flows.add(one, limit) {
		return true
	}
	vm.note(one.protocol, one.destination, overLimit)
	return false
}
