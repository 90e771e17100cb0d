package guest

import (
	"encoding/binary"
	"net/netip"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// sendEcho answers a ping of the guest's under the name of the address that it pinged.
func (vm *VM) sendEcho(id pingID, sequence uint16, payload []byte) {
	to, kind, transport := vm.addresses.Own, byte(header.ICMPv4EchoReply), header.ICMPv4ProtocolNumber
	if id.destination.Is6() {
		to, kind, transport = vm.addresses.Own6, byte(header.ICMPv6EchoReply), header.ICMPv6ProtocolNumber
	}
	path, err := vm.stack.FindRoute(nic, toStack(id.destination), toStack(to), protocolOf(to), false)
	if err != nil {
		return
	}
	defer path.Release()
	message := make([]byte, header.ICMPv4MinimumSize, header.ICMPv4MinimumSize+len(payload))
	message[0] = kind
	binary.BigEndian.PutUint16(message[4:], id.ident)
	binary.BigEndian.PutUint16(message[6:], sequence)
	message = append(message, payload...)
	var sum uint16
	if id.destination.Is6() {
		sum = header.PseudoHeaderChecksum(transport, toStack(id.destination), toStack(to), uint16(len(message)))
	}
	binary.BigEndian.PutUint16(message[2:], ^checksum.Checksum(message, sum))
	writeTo(path, transport, message)
}

// writeTo sends an IP packet with that payload, in fragments where it is too long.
func writeTo(path *stack.Route, transport tcpip.TransportProtocolNumber, payload []byte) {
	packet := stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: int(path.MaxHeaderLength()),
		Payload:            buffer.MakeWithData(payload),
	})
	defer packet.DecRef()
	// What the guest cannot be sent is lost, as on any way.
	_ = path.WritePacket(stack.NetworkHeaderParams{Protocol: transport, TTL: path.DefaultTTL()}, packet)
}

// sendPacket sends a whole IP packet; nil is none.
func (vm *VM) sendPacket(packet []byte) {
	if len(packet) == 0 {
		return
	}
	protocol := header.IPv4ProtocolNumber
	if packet[0]>>4 == 6 {
		protocol = header.IPv6ProtocolNumber
	}
	vm.endpoint.SendPayload(protocol, buffer.MakeWithData(packet))
}

// gatewayFor is who answers for ember-net to a packet.
func (vm *VM) gatewayFor(packet []byte) netip.Addr {
	if packet[0]>>4 == 6 {
		return vm.addresses.Gateway6
	}
	return vm.addresses.Gateway
}
