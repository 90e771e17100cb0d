package guest

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
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

// endAll ends every flow; they remove themselves.
func (f *flows) endAll() {
	f.mu.Lock()
	list := slices.Collect(maps.Keys(f.open))
	f.mu.Unlock()
	for _, one := range list {
		one.end()
	}
}
