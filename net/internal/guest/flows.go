package guest

import (
	"net/netip"
	"sync"

	"ember.dev/net/internal/policy"
)

// flow is one that goes on: a connection, or datagrams to one address.
type flow struct {
	protocol    string
	destination netip.AddrPort
	end         func()
}

// flows that a VM has at a time.
type flows struct {
	mu    sync.Mutex
	open  map[*flow]struct{}
	count map[string]int
}

func newFlows() *flows { return &flows{open: map[*flow]struct{}{}, count: map[string]int{}} }

// add returns false when the VM has as many of the protocol as it may.
func (f *flows) add(one *flow, limit int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count[one.protocol] >= limit {
		return false
	}
	f.open[one] = struct{}{}
	f.count[one.protocol]++
	return true
}

func (f *flows) remove(one *flow) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.open[one]; ok {
		delete(f.open, one)
		f.count[one.protocol]--
	}
}

func (f *flows) number(protocol string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count[protocol]
}

// endAll ends all that go on.
func (f *flows) endAll() {
	f.mu.Lock()
	var list []*flow
	for one := range f.open {
		list = append(list, one)
	}
	f.mu.Unlock()
	for _, one := range list {
		one.end()
	}
}

// hold has the flow ended, and noted as refused, when another policy does not allow it. Nil: this one does not.
func (vm *VM) hold(one *flow) *policy.Hold {
	refuse := func(decision policy.Decision) {
		vm.note(one.protocol, one.destination, policy.Refuse, decision.Rule)
	}
	hold, decision := vm.engine.Hold(one.protocol, one.destination, "", func(decision policy.Decision) {
		refuse(decision)
		one.end()
	})
	if hold == nil {
		refuse(decision)
	}
	return hold
}
