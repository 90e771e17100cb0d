package guest

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

func toStack(address netip.Addr) tcpip.Address { return tcpip.AddrFromSlice(address.AsSlice()) }

func fromStack(address tcpip.Address) netip.Addr {
	result, _ := netip.AddrFromSlice(address.AsSlice())
	return result
}

func protocolOf(address netip.Addr) tcpip.NetworkProtocolNumber {
	if address.Is4() {
		return header.IPv4ProtocolNumber
	}
	return header.IPv6ProtocolNumber
}

// endsOf gives the guest's end of a flow and the outside's.
func endsOf(id stack.TransportEndpointID) (guest, outside netip.AddrPort) {
	return netip.AddrPortFrom(fromStack(id.RemoteAddress), id.RemotePort),
		netip.AddrPortFrom(fromStack(id.LocalAddress), id.LocalPort)
}
