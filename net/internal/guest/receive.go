package guest

import (
	"encoding/binary"
	"net/netip"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"ember.dev/net/internal/link"
	"ember.dev/net/internal/route"
)

// receive takes a frame of the guest, which it owns. What is not sent under the guest's own addresses is dropped.
func (vm *VM) receive(frame *buffer.View) {
	bytes := frame.AsSlice()
	ethernet := header.Ethernet(bytes)
	if ethernet.SourceAddress() != vm.endpoint.Guest {
		vm.spoofed.Add(1)
		frame.Release()
		return
	}
	if destination := ethernet.DestinationAddress(); destination != vm.endpoint.Own && bytes[0]&1 == 0 {
		frame.Release() // for a machine that is not on this cable
		return
	}
	frame.TrimFront(link.HeaderLength)
	switch tcpip.NetworkProtocolNumber(binary.BigEndian.Uint16(bytes[12:])) {
	case header.ARPProtocolNumber:
		vm.receiveARP(frame.AsSlice())
		frame.Release()
	case header.IPv4ProtocolNumber:
		vm.receive4(frame)
	case header.IPv6ProtocolNumber:
		vm.receive6(frame)
	default:
		frame.Release()
	}
}

func (vm *VM) receive4(packet *buffer.View) {
	ip := header.IPv4(packet.AsSlice())
	if !ip.IsValid(packet.Size()) {
		packet.Release()
		return
	}
	packet.CapLength(int(ip.TotalLength())) // short frames are padded
	if fromStack(ip.SourceAddress()) != vm.addresses.Own {
		vm.spoofed.Add(1)
		packet.Release()
		return
	}
	vm.pass(header.IPv4ProtocolNumber, packet, fromStack(ip.DestinationAddress()), vm.addresses.Gateway)
}

func (vm *VM) receive6(packet *buffer.View) {
	ip := header.IPv6(packet.AsSlice())
	if !vm.addresses.Own6.IsValid() || !ip.IsValid(packet.Size()) {
		packet.Release()
		return
	}
	packet.CapLength(header.IPv6MinimumSize + int(ip.PayloadLength()))
	if vm.receiveNeighbour(packet.AsSlice()) {
		packet.Release()
		return
	}
	source := fromStack(ip.SourceAddress())
	if source != vm.addresses.Own6 {
		// Link-local and no address at all are for talk on the cable, of which neighbours were all that matters.
		if !source.IsLinkLocalUnicast() && !source.IsUnspecified() {
			vm.spoofed.Add(1)
		}
		packet.Release()
		return
	}
	vm.pass(header.IPv6ProtocolNumber, packet, fromStack(ip.DestinationAddress()), vm.addresses.Gateway6)
}

// pass takes a packet of the guest's own on: to a sibling, or to the stack.
func (vm *VM) pass(protocol tcpip.NetworkProtocolNumber, packet *buffer.View, destination, gateway netip.Addr) {
	own := vm.isGateway(destination)
	switch {
	case !own && !vm.connected.Load(), destination.IsMulticast(), destination == vm.broadcast:
		packet.Release()
		return
	case !own:
		if sibling := vm.routes.Find(destination); sibling != nil {
			route.Forward(packet, vm.endpoint, sibling, gateway)
			return
		}
		if protocol == header.IPv6ProtocolNumber && vm.receiveOutside6(packet.AsSlice()) {
			packet.Release()
			return
		}
	}
	incoming := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: asBuffer(packet)})
	vm.endpoint.Deliver(protocol, incoming)
	incoming.DecRef()
}

// isGateway says whether an address is ember-net's own on this cable.
func (vm *VM) isGateway(address netip.Addr) bool {
	a := &vm.addresses
	return address == a.Gateway || address == a.Resolver || address == a.Gateway6 || address == a.Resolver6
}
