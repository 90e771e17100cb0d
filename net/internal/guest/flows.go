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
	// admittedAs is nil for flows that were admitted by their address alone.
	admittedAs func() (policy.How, string)
	end        func()
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

// endUnless ends those that keep says no to.
func (f *flows) endUnless(keep func(*flow) bool) {
	f.mu.Lock()
	var list []*flow
	for one := range f.open {
		list = append(list, one)
	}
	f.mu.Unlock()
	for _, one := range list {
		if !keep(one) {
			one.end()
		}
	}
}

// stillAllowed judges a flow by the engine's present policy.
func stillAllowed(engine *policy.Engine, one *flow) bool {
	switch engine.Admit(one.protocol, one.destination).Verdict {
	case policy.Allow:
		return true
	case policy.Inspect:
		if one.admittedAs == nil {
			return false
		}
		how, name := one.admittedAs()
		return how != "" && engine.AdmitName(how, name, one.destination).Verdict == policy.Allow
	}
	return false
}
