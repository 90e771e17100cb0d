package guest

import (
	"context"
	"errors"
	"net/netip"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"ember.dev/net/internal/relay"
)

// Dial connects to a port of the guest, from the gateway. syscall.ECONNREFUSED when nobody listens there.
func (vm *VM) Dial(ctx context.Context, port uint16) (relay.Guest, error) {
	var queue waiter.Queue
	local, remote := vm.addresses.Gateway, netip.AddrPortFrom(vm.addresses.Own, port)
	endpoint, failure := vm.stack.NewEndpoint(tcp.ProtocolNumber, protocolOf(local), &queue)
	if failure != nil {
		return nil, errors.New(failure.String())
	}
	entry, connected := waiter.NewChannelEntry(waiter.WritableEvents | waiter.EventErr | waiter.EventHUp)
	queue.EventRegister(&entry)
	defer queue.EventUnregister(&entry)
	failure = endpoint.Bind(tcpip.FullAddress{Addr: toStack(local)})
	if failure == nil {
		failure = endpoint.Connect(tcpip.FullAddress{NIC: nic, Addr: toStack(remote.Addr()), Port: port})
	}
	if _, started := failure.(*tcpip.ErrConnectStarted); started {
		select {
		case <-connected:
			failure = endpoint.LastError()
		case <-ctx.Done():
			endpoint.Abort()
			return nil, ctx.Err()
		}
	}
	switch failure.(type) {
	case nil:
		return newConn(&queue, endpoint, vm.endpoint.MTU()), nil
	case *tcpip.ErrConnectionRefused:
		endpoint.Close()
		return nil, syscall.ECONNREFUSED
	}
	endpoint.Close()
	return nil, errors.New(failure.String())
}

// Gate holds back what would only wait for the guest.
func (vm *VM) Gate() relay.Gate { return vm.endpoint.Queue }

// Context ends with the VM's network.
func (vm *VM) Context() context.Context { return vm.ctx }
