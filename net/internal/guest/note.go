package guest

import (
	"net/netip"

	"ember.dev/net/internal/policy"
	"ember.dev/net/internal/record"
)

// note records what became of an attempt to reach an address.
func (vm *VM) note(protocol string, destination netip.AddrPort, verdict policy.Verdict, rule string) {
	entry := record.Flow{
		Protocol: protocol,
		By:       policy.Address,
		Address:  destination.Addr().String(),
		Port:     destination.Port(),
		Rule:     rule,
		Verdict:  "refused",
	}
	if names := vm.engine.NamesOf(destination.Addr()); len(names) > 0 {
		entry.Name, entry.By = names[0], policy.Answer
	}
	if verdict == policy.Allow {
		entry.Verdict = "allowed"
	}
	vm.Note(entry)
}

// Note counts a flow and records it.
func (vm *VM) Note(entry record.Flow) {
	if entry.Verdict == "allowed" {
		vm.allowed.Add(1)
	} else {
		vm.refused.Add(1)
	}
	if vm.recorder != nil {
		vm.recorder.Note(entry)
	}
}
