package guest

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// receiveARP answers who has the gateway and the resolver. The guest's own address is known, and never asked for.
func (vm *VM) receiveARP(message []byte) {
	request := header.ARP(message)
	if !request.IsValid() {
		return
	}
	sender := netip.AddrFrom4([4]byte(request.ProtocolAddressSender()))
	// A probe for an address that is still to be taken (RFC 5227) has none yet.
	if tcpip.LinkAddress(request.HardwareAddressSender()) != vm.endpoint.Guest || sender != vm.addresses.Own && !sender.IsUnspecified() {
		vm.spoofed.Add(1)
		return
	}
	target := netip.AddrFrom4([4]byte(request.ProtocolAddressTarget()))
	if request.Op() != header.ARPRequest || !vm.isGateway(target) {
		return
	}
	reply := make([]byte, header.ARPSize)
	answer := header.ARP(reply)
	answer.SetIPv4OverEthernet()
	answer.SetOp(header.ARPReply)
	copy(answer.HardwareAddressSender(), vm.endpoint.Own)
	copy(answer.ProtocolAddressSender(), request.ProtocolAddressTarget())
	copy(answer.HardwareAddressTarget(), request.HardwareAddressSender())
	copy(answer.ProtocolAddressTarget(), request.ProtocolAddressSender())
	vm.endpoint.SendPayload(header.ARPProtocolNumber, buffer.MakeWithData(reply))
}
