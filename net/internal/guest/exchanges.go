package guest

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

const (
	// maxDatagramFlows of a VM at a time; those that were silent longest give way to more.
	maxDatagramFlows = 4096
	// So many give way at once, and not again within that time: a guest that floods is not to keep the host busy with
	// opening sockets, and has ports again soon after.
	givingWay      = 256
	givingWayPause = time.Second
)

// exchanges of a VM by their ends.
type exchanges struct {
	sync.Mutex
	open    map[stack.TransportEndpointID]*datagrams
	gaveWay time.Time
}

// find gives the exchange between these ends, which may be a fresh one; nil when the VM has too many.
func (e *exchanges) find(vm *VM, id stack.TransportEndpointID, destination netip.AddrPort) (one *datagrams, fresh bool) {
	e.Lock()
	defer e.Unlock()
	if one = e.open[id]; one != nil {
		return one, false
	}
	one = &datagrams{id: id}
	one.flow = flow{protocol: "udp", destination: destination, end: one.close}
	if !vm.flows.add(&one.flow, maxDatagramFlows) {
		e.giveWay(vm)
		if !vm.begin(&one.flow, maxDatagramFlows) {
			return nil, false
		}
	}
	e.open[id] = one
	return one, true
}

// giveWay is called with the lock held. Exchanges that still begin stay: what works on them is not to become more.
func (e *exchanges) giveWay(vm *VM) {
	if time.Since(e.gaveWay) < givingWayPause {
		return
	}
	e.gaveWay = time.Now()
	var begun []*datagrams
	for _, one := range e.open {
		if one.hasBegun() {
			begun = append(begun, one)
		}
	}
	slices.SortFunc(begun, func(a, b *datagrams) int { return cmp.Compare(a.lastUse.Load(), b.lastUse.Load()) })
	for _, one := range begun[:min(givingWay, len(begun))] {
		delete(e.open, one.id)
		vm.flows.remove(&one.flow)
		one.close()
	}
}

// remove forgets an exchange, unless it gave way before.
func (e *exchanges) remove(vm *VM, one *datagrams) {
	e.Lock()
	defer e.Unlock()
	if e.open[one.id] == one {
		delete(e.open, one.id)
	}
	vm.flows.remove(&one.flow)
}

func (d *datagrams) hasBegun() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.conn != nil
}
