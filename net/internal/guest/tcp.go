package guest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"ember.dev/net/internal/guard"
	"ember.dev/net/internal/icmp"
	"ember.dev/net/internal/inspect"
	"ember.dev/net/internal/policy"
	"ember.dev/net/internal/relay"
)

const (
	// maxConnections of a VM to the outside at a time; more are refused.
	maxConnections = 8192
	// maxConnecting are those that have not come about yet; the guest's kernel asks again for more.
	maxConnecting = 2048
	// dnsPort at the resolver's address.
	dnsPort = 53
)

// serveTCP makes the stack hand over every connection that the guest begins.
func (vm *VM) serveTCP() {
	forwarder := tcp.NewForwarder(vm.stack, defaultBuffer, maxConnecting, func(request *tcp.ForwarderRequest) {
		vm.connect(request)
	})
	vm.stack.SetTransportProtocolHandler(tcp.ProtocolNumber, func(id stack.TransportEndpointID, packet *stack.PacketBuffer) bool {
		vm.rememberSequence(id, packet)
		return forwarder.HandlePacket(id, packet)
	})
}

// connect lets the guest's connection come about once that to the outside has, so that the guest learns how it failed.
func (vm *VM) connect(request *tcp.ForwarderRequest) {
	id := request.ID()
	_, destination := endsOf(id)
	defer vm.forgetSequence(id)
	if vm.isGateway(destination.Addr()) {
		vm.connectGateway(request, destination)
		return
	}
	ctx, cancel := context.WithCancel(vm.ctx)
	defer cancel()
	one := &flow{protocol: "tcp", destination: destination, end: cancel}
	decision := vm.admit("tcp", destination)
	if decision.Verdict == policy.Refuse || !vm.begin(one, maxConnections) {
		request.Complete(true)
		return
	}
	defer vm.flows.remove(one)
	if view := vm.inspection(); decision.Verdict == policy.Inspect || view.Interests(destination) {
		vm.connectInspected(ctx, request, destination, view)
		return
	}
	vm.connectDirectly(ctx, request, one)
}

// connectDirectly goes by the address alone.
func (vm *VM) connectDirectly(ctx context.Context, request *tcp.ForwarderRequest, one *flow) {
	hold, decision := vm.hold(one)
	if hold == nil {
		request.Complete(true)
		return
	}
	defer hold.Release()
	upstream, err := vm.dialer.TCP(ctx, "", one.destination)
	if err != nil {
		vm.refuse(request, one.destination, err)
		return
	}
	defer upstream.Close()
	conn := vm.accept(ctx, request)
	if conn == nil {
		return
	}
	vm.note("tcp", one.destination, decision)
	relay.Run(ctx, conn, upstream, vm.endpoint.Queue)
}

// accept completes the handshake with the guest; nil when the guest has gone, or ctx has ended before.
func (vm *VM) accept(ctx context.Context, request *tcp.ForwarderRequest) *Conn {
	id := request.ID()
	protocol := protocolOf(fromStack(id.LocalAddress))
	stop := context.AfterFunc(ctx, func() {
		if endpoint := vm.stack.FindTransportEndpoint(protocol, tcp.ProtocolNumber, id, nic); endpoint != nil {
			endpoint.Abort()
		}
	})
	defer stop()
	var queue waiter.Queue
	endpoint, err := request.CreateEndpoint(&queue)
	request.Complete(err != nil)
	if err != nil {
		return nil
	}
	return newConn(&queue, endpoint, vm.endpoint.MTU())
}

// refuse tells the guest how its connection failed, as the network would have.
func (vm *VM) refuse(request *tcp.ForwarderRequest, destination netip.AddrPort, err error) {
	var refusal *guard.Refusal
	var timeout net.Error
	id := request.ID()
	switch {
	case errors.As(err, &refusal):
		vm.note("tcp", destination, guard.Decision(err))
		request.Complete(true)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EHOSTDOWN):
		vm.unreachable(id, icmp.HostUnreachable)
		request.Complete(false)
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT):
		vm.unreachable(id, icmp.NetworkUnreachable)
		request.Complete(false)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		vm.unreachable(id, icmp.Prohibited)
		request.Complete(false)
	case errors.As(err, &timeout) && timeout.Timeout():
		request.Complete(false) // silence is what the guest would have met
	default:
		request.Complete(true)
	}
}

// connectGateway serves DNS over TCP; nothing else is at ember-net's own addresses.
func (vm *VM) connectGateway(request *tcp.ForwarderRequest, destination netip.AddrPort) {
	isResolver := destination.Addr() == vm.addresses.Resolver || destination.Addr() == vm.addresses.Resolver6
	one := &flow{protocol: "dns-tcp", destination: destination, end: func() {}}
	if !isResolver || destination.Port() != dnsPort || !vm.connected.Load() || !vm.flows.add(one, maxQuestions) {
		request.Complete(true)
		return
	}
	defer vm.flows.remove(one)
	conn := vm.accept(vm.ctx, request)
	if conn == nil {
		return
	}
	defer conn.Close()
	stop := context.AfterFunc(vm.ctx, conn.Reset)
	defer stop()
	vm.resolver.ServeStream(vm.ctx, conn, vm.asker())
}

// connectInspected accepts first: what the guest says decides. The inspection holds the connection by it.
func (vm *VM) connectInspected(ctx context.Context, request *tcp.ForwarderRequest, destination netip.AddrPort, view *inspect.VM) {
	conn := vm.accept(ctx, request)
	if conn == nil {
		return
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, conn.Reset)
	defer stop()
	inspect.Serve(ctx, conn, destination, view)
}

// rememberSequence keeps the number of a connection's first packet, without which the guest takes no ICMP about it.
func (vm *VM) rememberSequence(id stack.TransportEndpointID, packet *stack.PacketBuffer) {
	segment := header.TCP(packet.TransportHeader().Slice())
	if len(segment) < header.TCPMinimumSize || segment.Flags()&(header.TCPFlagSyn|header.TCPFlagAck) != header.TCPFlagSyn {
		return
	}
	vm.connecting.Lock()
	defer vm.connecting.Unlock()
	if len(vm.sequences) < maxConnecting {
		vm.sequences[id] = segment.SequenceNumber()
	}
}

func (vm *VM) forgetSequence(id stack.TransportEndpointID) {
	vm.connecting.Lock()
	defer vm.connecting.Unlock()
	delete(vm.sequences, id)
}

var _ inspect.GuestConn = (*Conn)(nil)
