package guest

import (
	"testing"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"ember.dev/net/internal/link"
)

// FuzzReceive: whatever a guest sends as frames, ember-net goes on.
func FuzzReceive(f *testing.F) {
	settings := settingsFor(f, 1)
	settings.Address6, settings.Gateway6, settings.Resolver6 = "fd00::3", "fd00::1", "fd00::2"
	world := newWorld(nil)
	vm, _ := start(f, world, settings)
	sibling := link.NewEndpoint(gatewayMAC, "\x52\x54\x00\x00\x00\x02", 1500)
	world.Routes.Add(toAddr("10.100.0.19"), sibling)
	udp := []byte{0, 9, 0, 53, 0, 8, 0, 0}
	f.Add(uint16(header.IPv4ProtocolNumber), packet4(vm.addresses.Own, outside, 17, udp))
	f.Add(uint16(header.IPv4ProtocolNumber), packet4(vm.addresses.Own, vm.addresses.Resolver, 17, append(udp[:4:4], 0, 12, 0, 0, 1, 2, 3, 4)))
	f.Add(uint16(header.IPv4ProtocolNumber), packet4(vm.addresses.Own, toAddr("10.100.0.19"), 6, make([]byte, 3000)))
	f.Add(uint16(header.IPv4ProtocolNumber), packet4(vm.addresses.Own, outside, 6, []byte{0, 9, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0}))
	f.Add(uint16(header.ARPProtocolNumber), arp(header.ARPRequest, vm.endpoint.Guest, "10.100.0.11", "10.100.0.9"))
	f.Add(uint16(header.IPv6ProtocolNumber), make([]byte, 64))
	f.Fuzz(func(t *testing.T, protocol uint16, payload []byte) {
		if len(payload) > maxMTU {
			return
		}
		frame := buffer.NewViewSize(link.HeaderLength + len(payload))
		header.Ethernet(frame.AsSlice()).Encode(&header.EthernetFields{
			SrcAddr: vm.endpoint.Guest, DstAddr: vm.endpoint.Own, Type: tcpip.NetworkProtocolNumber(protocol),
		})
		copy(frame.AsSlice()[link.HeaderLength:], payload)
		vm.receive(frame)
		sibling.Queue.Discard()
	})
}
