package guest

import (
	"errors"
	"math/rand/v2"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"ember.dev/net/internal/publish"
)

const firstGatewayPort = 16384

// arrivals are exchanges that somebody outside has begun, by their ends.
type arrivals struct {
	sync.Mutex
	open map[stack.TransportEndpointID]*arrival
}

type arrival struct {
	vm      *VM
	id      stack.TransportEndpointID
	receive func([]byte)
}

// Exchange begins an exchange of datagrams with a port of the guest, from a port of the gateway's.
func (vm *VM) Exchange(port uint16, receive func([]byte)) (publish.Exchange, error) {
	one := &arrival{vm: vm, receive: receive}
	one.id = stack.TransportEndpointID{
		LocalAddress: toStack(vm.addresses.Gateway), RemoteAddress: toStack(vm.addresses.Own), RemotePort: port,
	}
	vm.arrivals.Lock()
	defer vm.arrivals.Unlock()
	for attempt := 0; attempt < 64; attempt++ {
		one.id.LocalPort = firstGatewayPort + uint16(rand.UintN(65536-firstGatewayPort))
		if vm.arrivals.open[one.id] == nil {
			vm.arrivals.open[one.id] = one
			return one, nil
		}
	}
	return nil, errors.New("the gateway has no free port")
}

// Send implements publish.Exchange.
func (a *arrival) Send(payload []byte) { a.vm.sendDatagram(a.id, payload) }

// Close implements publish.Exchange.
func (a *arrival) Close() {
	a.vm.arrivals.Lock()
	defer a.vm.arrivals.Unlock()
	delete(a.vm.arrivals.open, a.id)
}

// arrive passes on what the guest answers in an exchange from outside; false when there is none.
func (vm *VM) arrive(id stack.TransportEndpointID, payload []byte) bool {
	vm.arrivals.Lock()
	one := vm.arrivals.open[id]
	vm.arrivals.Unlock()
	if one == nil {
		return false
	}
	one.receive(payload)
	return true
}
