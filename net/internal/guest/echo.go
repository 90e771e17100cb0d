package guest

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"

	"ember.dev/net/internal/dial"
	unreachable "ember.dev/net/internal/icmp"
	"ember.dev/net/internal/policy"
)

const (
	// maxPings are the addresses that a VM pings at a time.
	maxPings = 256
	pingIdle = 10 * time.Second
)

// ping is what one program of the guest pings one address with.
type ping struct {
	flow
	id       pingID
	requests chan echo
}

// pings of a VM.
type pings struct {
	sync.Mutex
	open map[pingID]*ping
}

type pingID struct {
	destination netip.Addr
	ident       uint16
}

type echo struct {
	sequence uint16
	payload  []byte
	offender []byte // the request's beginning, for errors
}

// serveEcho takes what the guest pings outside; the gateway's own addresses the stack answers for.
func (vm *VM) serveEcho() {
	vm.stack.SetTransportProtocolHandler(icmp.ProtocolNumber4, vm.receiveEcho)
	vm.stack.SetTransportProtocolHandler(icmp.ProtocolNumber6, vm.receiveEcho)
}

// receiveEcho takes all other ICMP, too, and drops it: a guest's errors are about what its own end of a flow has seen.
func (vm *VM) receiveEcho(_ stack.TransportEndpointID, packet *stack.PacketBuffer) bool {
	message := packet.TransportHeader().Slice()
	destination, request := netip.Addr{}, byte(header.ICMPv4Echo)
	if packet.NetworkProtocolNumber == header.IPv6ProtocolNumber {
		request = byte(header.ICMPv6EchoRequest)
		destination = fromStack(header.IPv6(packet.NetworkHeader().Slice()).DestinationAddress())
	} else {
		destination = fromStack(header.IPv4(packet.NetworkHeader().Slice()).DestinationAddress())
	}
	if len(message) < header.ICMPv4MinimumSize || message[0] != request || vm.isGateway(destination) {
		return true
	}
	vm.takeEcho(destination, packet.NetworkHeader().Slice(), message, packet.Data().AsRange().ToSlice())
	return true
}

func (vm *VM) takeEcho(destination netip.Addr, ip, message, payload []byte) {
	one := echo{
		sequence: uint16(message[6])<<8 | uint16(message[7]),
		payload:  payload,
		offender: append(append([]byte(nil), ip...), message...),
	}
	vm.ping(pingID{destination, uint16(message[4])<<8 | uint16(message[5])}, one)
}

// receiveOutside6 takes what must not come to the stack: that answers pings in IPv6 itself, whatever address they are for.
// Of what has headers of extension, whose ends are not looked for here, the stack gets fragments of TCP and UDP alone.
func (vm *VM) receiveOutside6(packet []byte) bool {
	ip, rest := header.IPv6(packet), packet[header.IPv6MinimumSize:]
	switch ip.TransportProtocol() {
	case header.TCPProtocolNumber, header.UDPProtocolNumber:
		return false
	case header.ICMPv6ProtocolNumber:
		if len(rest) >= header.ICMPv6EchoMinimumSize && rest[0] == byte(header.ICMPv6EchoRequest) {
			message, payload := rest[:header.ICMPv6EchoMinimumSize], rest[header.ICMPv6EchoMinimumSize:]
			vm.takeEcho(fromStack(ip.DestinationAddress()), packet[:header.IPv6MinimumSize], message, append([]byte(nil), payload...))
		}
		return true
	}
	const fragment, fragmentHeader = 44, 8 // RFC 8200, section 4.5
	if ip.NextHeader() != fragment || len(rest) < fragmentHeader {
		return true
	}
	inner := tcpip.TransportProtocolNumber(rest[0])
	return inner != header.TCPProtocolNumber && inner != header.UDPProtocolNumber
}

func (vm *VM) ping(id pingID, one echo) {
	vm.pings.Lock()
	defer vm.pings.Unlock()
	present := vm.pings.open[id]
	if present == nil {
		present = &ping{id: id, requests: make(chan echo, 16)}
		ctx, cancel := context.WithCancel(vm.ctx)
		present.flow = flow{protocol: "icmp", destination: netip.AddrPortFrom(id.destination, 0), end: cancel}
		if !vm.begin(&present.flow, maxPings) {
			cancel()
			return
		}
		vm.pings.open[id] = present
		go vm.exchangeEchoes(ctx, present)
	}
	select {
	case present.requests <- one:
	default: // lost, as on any way
	}
}

// exchangeEchoes goes on until no request has come for long, or the flow is ended.
func (vm *VM) exchangeEchoes(ctx context.Context, p *ping) {
	defer func() {
		p.end()
		vm.pings.Lock()
		delete(vm.pings.open, p.id)
		vm.pings.Unlock()
		vm.flows.remove(&p.flow)
	}()
	if vm.admit("icmp", p.destination).Verdict != policy.Allow {
		vm.refuseEcho(<-p.requests, unreachable.Prohibited)
		return
	}
	hold, decision := vm.hold(&p.flow)
	if hold == nil {
		vm.refuseEcho(<-p.requests, unreachable.Prohibited)
		return
	}
	defer hold.Release()
	pinger, err := vm.dialer.Ping(p.id.destination)
	if err != nil {
		vm.refuseEcho(<-p.requests, reasonOf(err))
		return
	}
	vm.note("icmp", p.destination, decision)
	go vm.returnEchoes(p, pinger)
	defer pinger.Close()
	for {
		select {
		case one := <-p.requests:
			if err := pinger.Ping(one.sequence, one.payload); err != nil {
				vm.refuseEcho(one, reasonOf(err))
			}
		case <-time.After(pingIdle):
			return
		case <-ctx.Done():
			return
		}
	}
}

// returnEchoes ends when the pinger is closed.
func (vm *VM) returnEchoes(p *ping, pinger *dial.Pinger) {
	for {
		sequence, payload, err := pinger.Receive(time.Now().Add(2 * pingIdle))
		if err != nil {
			return
		}
		vm.sendEcho(p.id, sequence, payload)
	}
}

func (vm *VM) refuseEcho(one echo, reason unreachable.Reason) {
	vm.sendPacket(unreachable.Error(vm.gatewayFor(one.offender), one.offender, reason, 0))
}
