package guest

import (
	"net/netip"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"ember.dev/net/internal/peer"
)

// packet4 makes an IPv4 packet.
func packet4(from, to netip.Addr, transport byte, payload []byte) []byte {
	packet := make([]byte, header.IPv4MinimumSize, header.IPv4MinimumSize+len(payload))
	header.IPv4(packet).Encode(&header.IPv4Fields{
		TotalLength: uint16(header.IPv4MinimumSize + len(payload)), TTL: 64, Protocol: transport,
		SrcAddr: toStack(from), DstAddr: toStack(to),
	})
	header.IPv4(packet).SetChecksum(^header.IPv4(packet).CalculateChecksum())
	return append(packet, payload...)
}

// sendFrame sends an IP packet from the guest.
func sendFrame(machine *peer.Guest, packet []byte) {
	protocol := header.IPv4ProtocolNumber
	if packet[0]>>4 == 6 {
		protocol = header.IPv6ProtocolNumber
	}
	machine.Endpoint.SendPayload(protocol, buffer.MakeWithData(packet))
}

// sendFrom sends a packet under another address of the cable.
func sendFrom(machine *peer.Guest, own tcpip.LinkAddress, protocol tcpip.NetworkProtocolNumber, payload []byte) {
	before := machine.Endpoint.Own
	machine.Endpoint.Own = own
	machine.Endpoint.SendPayload(protocol, buffer.MakeWithData(payload))
	machine.Endpoint.Own = before
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

func arp(op header.ARPOp, mac tcpip.LinkAddress, sender, target string) []byte {
	message := make([]byte, header.ARPSize)
	request := header.ARP(message)
	request.SetIPv4OverEthernet()
	request.SetOp(op)
	copy(request.HardwareAddressSender(), mac)
	copy(request.ProtocolAddressSender(), netip.MustParseAddr(sender).AsSlice())
	copy(request.ProtocolAddressTarget(), netip.MustParseAddr(target).AsSlice())
	return message
}

func TestWhatIsSentUnderAnothersAddressIsDroppedAndCounted(t *testing.T) {
	vm, machine := start(t, newWorld(nil), settingsFor(t, 1))
	own := machine.Endpoint.Own
	other := tcpip.LinkAddress("\x52\x54\x00\x00\x00\x09")
	udp := append([]byte{0, 9, 0, 9, 0, 8}, 0, 0)
	for name, send := range map[string]func(){
		"a packet with another's MAC": func() {
			sendFrom(machine, other, header.IPv4ProtocolNumber, packet4(vm.addresses.Own, outside, 17, udp))
		},
		"the gateway's MAC": func() {
			sendFrom(machine, gatewayMAC, header.IPv4ProtocolNumber, packet4(vm.addresses.Own, outside, 17, udp))
		},
		"a sibling's address":   func() { sendFrame(machine, packet4(netip.MustParseAddr("10.100.0.19"), outside, 17, udp)) },
		"the gateway's address": func() { sendFrame(machine, packet4(vm.addresses.Gateway, outside, 17, udp)) },
		"no address":            func() { sendFrame(machine, packet4(netip.IPv4Unspecified(), outside, 17, udp)) },
		"an ARP answer for a sibling": func() {
			sendFrom(machine, own, header.ARPProtocolNumber, arp(header.ARPReply, own, "10.100.0.19", "10.100.0.9"))
		},
		"ARP in another's name": func() {
			sendFrom(machine, own, header.ARPProtocolNumber, arp(header.ARPRequest, other, "10.100.0.11", "10.100.0.9"))
		},
	} {
		before := vm.Status().Spoofed
		send()
		until(t, name+" is not counted", func() bool { return vm.Status().Spoofed == before+1 })
	}
	if got := vm.Status(); got.Allowed+got.Refused != 0 {
		t.Errorf("a spoofed packet was acted on: %+v", got)
	}
}

func TestARPIsAnsweredForTheGatewayAndTheResolverAlone(t *testing.T) {
	_, machine := start(t, newWorld(nil), settingsFor(t, 1))
	own := machine.Endpoint.Own
	// A probe has no sender's address yet; the last is for one that is not here, and not answered.
	for _, target := range []string{"10.100.0.19", "10.100.0.11", "10.100.0.9", "10.100.0.10"} {
		for _, sender := range []string{"10.100.0.11", "0.0.0.0"} {
			sendFrom(machine, own, header.ARPProtocolNumber, arp(header.ARPRequest, own, sender, target))
		}
	}
	for _, want := range []string{"10.100.0.9", "10.100.0.9", "10.100.0.10", "10.100.0.10"} {
		select {
		case frame := <-machine.Seen:
			answer := header.ARP(frame[header.EthernetMinimumSize:])
			sender := netip.AddrFrom4([4]byte(answer.ProtocolAddressSender()))
			if answer.Op() != header.ARPReply || sender.String() != want || tcpip.LinkAddress(answer.HardwareAddressSender()) != gatewayMAC {
				t.Errorf("not the answer for %s: %x", want, frame)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("%s is not answered for", want)
		}
	}
}

func TestFramesThatMakeNoSenseDoNoHarm(t *testing.T) {
	vm, machine := start(t, newWorld(nil), settingsFor(t, 1))
	good := packet4(vm.addresses.Own, outside, 17, []byte{0, 9, 0, 9, 0, 8, 0, 0})
	for cut := range len(good) {
		sendFrame(machine, append([]byte{0x45}, good[1:cut+1]...))
	}
	for i := range good {
		for _, value := range []byte{0, 0x0f, 0x60, 0xff} {
			changed := append([]byte(nil), good...)
			changed[i] = value
			sendFrame(machine, changed)
		}
	}
	for _, protocol := range []tcpip.NetworkProtocolNumber{header.ARPProtocolNumber, header.IPv6ProtocolNumber, 0x88cc, 0x8100} {
		machine.Endpoint.SendPayload(protocol, buffer.MakeWithData([]byte{1, 2, 3}))
	}
	sendPing(machine, vm.addresses.Gateway)
	if kind, _ := nextICMP(t, machine); kind != 0 && kind != 3 {
		t.Errorf("ICMP type %d", kind)
	}
}

func toAddr(text string) netip.Addr { return netip.MustParseAddr(text) }
