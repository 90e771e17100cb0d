package guest

import (
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
)

// serveEcho takes what the guest pings outside; the gateway's own addresses the stack answers for.
func (vm *VM) serveEcho() {
	taken := func(stack.TransportEndpointID, *stack.PacketBuffer) bool { return true }
	vm.stack.SetTransportProtocolHandler(icmp.ProtocolNumber4, taken)
	vm.stack.SetTransportProtocolHandler(icmp.ProtocolNumber6, taken)
}
