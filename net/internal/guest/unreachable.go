package guest

import (
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"ember.dev/net/internal/icmp"
)

// unreachable tells the guest why a connection that it began has not come about.
func (vm *VM) unreachable(id stack.TransportEndpointID, reason icmp.Reason) {
	vm.connecting.Lock()
	sequence := vm.sequences[id]
	vm.connecting.Unlock()
	segment := make([]byte, header.TCPMinimumSize)
	header.TCP(segment).Encode(&header.TCPFields{
		SrcPort: id.RemotePort, DstPort: id.LocalPort, SeqNum: sequence,
		DataOffset: header.TCPMinimumSize, Flags: header.TCPFlagSyn,
	})
	vm.sendError(id, byte(tcp.ProtocolNumber), segment, reason)
}

// undeliverable tells the guest why datagrams of a flow go nowhere.
func (vm *VM) undeliverable(id stack.TransportEndpointID, reason icmp.Reason) {
	datagram := make([]byte, header.UDPMinimumSize)
	header.UDP(datagram).Encode(&header.UDPFields{
		SrcPort: id.RemotePort, DstPort: id.LocalPort, Length: header.UDPMinimumSize,
	})
	vm.sendError(id, byte(header.UDPProtocolNumber), datagram, reason)
}

// sendError quotes a packet as the guest has sent it, as far as the guest looks at it. The destination itself is who
// says that a port is closed; all else the gateway says.
func (vm *VM) sendError(id stack.TransportEndpointID, transport byte, payload []byte, reason icmp.Reason) {
	from := vm.addresses.Gateway
	var packet []byte
	if id.LocalAddress.Len() == header.IPv6AddressSize {
		from = vm.addresses.Gateway6
		packet = make([]byte, header.IPv6MinimumSize, header.IPv6MinimumSize+len(payload))
		header.IPv6(packet).Encode(&header.IPv6Fields{
			PayloadLength: uint16(len(payload)), HopLimit: 63, SrcAddr: id.RemoteAddress, DstAddr: id.LocalAddress,
		})
		packet[header.IPv6NextHeaderOffset] = transport
	} else {
		packet = make([]byte, header.IPv4MinimumSize, header.IPv4MinimumSize+len(payload))
		header.IPv4(packet).Encode(&header.IPv4Fields{
			TotalLength: uint16(header.IPv4MinimumSize + len(payload)), TTL: 63, Protocol: transport,
			SrcAddr: id.RemoteAddress, DstAddr: id.LocalAddress,
		})
		header.IPv4(packet).SetChecksum(^header.IPv4(packet).CalculateChecksum())
	}
	if reason == icmp.PortUnreachable {
		from = fromStack(id.LocalAddress)
	}
	vm.sendPacket(icmp.Error(from, append(packet, payload...), reason, 0))
}
