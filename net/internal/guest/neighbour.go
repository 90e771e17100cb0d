package guest

import (
	"encoding/binary"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

const (
	// neighbourHops marks that a message has come over no router (RFC 4861, 7.1).
	neighbourHops = 255
	// advertisementLength of the answer with the one option that it has, bytes.
	advertisementLength = header.ICMPv6NeighborAdvertMinimumSize + linkAddressOption
	linkAddressOption   = 8
)

// receiveNeighbour takes the talk by which IPv6 finds routers and neighbours (ARP's part), and says whether the packet
// was of it. The guest is told its addresses at boot, so that solicitations for the gateway's are all that is answered.
func (vm *VM) receiveNeighbour(packet []byte) bool {
	ip := header.IPv6(packet)
	if ip.TransportProtocol() != header.ICMPv6ProtocolNumber || len(packet) < header.IPv6MinimumSize+header.ICMPv6MinimumSize {
		return false
	}
	message := header.ICMPv6(packet[header.IPv6MinimumSize:])
	switch message.Type() {
	case header.ICMPv6RouterSolicit, header.ICMPv6RouterAdvert, header.ICMPv6NeighborAdvert, header.ICMPv6RedirectMsg:
		return true
	case header.ICMPv6NeighborSolicit:
	default:
		return false
	}
	if len(message) < header.ICMPv6NeighborSolicitMinimumSize || ip.HopLimit() != neighbourHops {
		return true
	}
	source := fromStack(ip.SourceAddress())
	switch {
	case source.IsUnspecified(): // it asks whether its own address is free: it is
		return true
	case source != vm.addresses.Own6 && !source.IsLinkLocalUnicast():
		vm.spoofed.Add(1)
		return true
	}
	target := header.NDPNeighborSolicit(message.MessageBody()).TargetAddress()
	if vm.isGateway(fromStack(target)) {
		vm.advertise(target, ip.SourceAddress())
	}
	return true
}

// advertise tells the guest that address is at this end of the cable.
func (vm *VM) advertise(address, to tcpip.Address) {
	packet := make([]byte, header.IPv6MinimumSize+advertisementLength)
	header.IPv6(packet).Encode(&header.IPv6Fields{
		PayloadLength:     advertisementLength,
		TransportProtocol: header.ICMPv6ProtocolNumber,
		HopLimit:          neighbourHops,
		SrcAddr:           address,
		DstAddr:           to,
	})
	message := header.ICMPv6(packet[header.IPv6MinimumSize:])
	message.SetType(header.ICMPv6NeighborAdvert)
	body := header.NDPNeighborAdvert(message.MessageBody())
	body.SetRouterFlag(true)
	body.SetSolicitedFlag(true)
	body.SetOverrideFlag(true)
	body.SetTargetAddress(address)
	body.Options().Serialize(header.NDPOptionsSerializer{header.NDPTargetLinkLayerAddressOption(vm.endpoint.Own)})
	sum := header.PseudoHeaderChecksum(header.ICMPv6ProtocolNumber, address, to, advertisementLength)
	binary.BigEndian.PutUint16(message[2:], ^checksum.Checksum(message, sum))
	vm.endpoint.SendPayload(header.IPv6ProtocolNumber, buffer.MakeWithData(packet))
}
