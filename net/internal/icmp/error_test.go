package icmp

import (
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

func packet4(transport byte, payload []byte) []byte {
	packet := make([]byte, header.IPv4MinimumSize, header.IPv4MinimumSize+len(payload))
	header.IPv4(packet).Encode(&header.IPv4Fields{
		TotalLength: uint16(cap(packet)), TTL: 1, Protocol: transport,
		SrcAddr: tcpip.AddrFrom4([4]byte{10, 0, 0, 3}), DstAddr: tcpip.AddrFrom4([4]byte{192, 0, 2, 1}),
	})
	return append(packet, payload...)
}

func packet6(transport byte, payload []byte) []byte {
	packet := make([]byte, header.IPv6MinimumSize, header.IPv6MinimumSize+len(payload))
	header.IPv6(packet).Encode(&header.IPv6Fields{
		PayloadLength: uint16(len(payload)), HopLimit: 1,
		SrcAddr: tcpip.AddrFrom16([16]byte{0xfd, 15: 3}), DstAddr: tcpip.AddrFrom16([16]byte{0x20, 1, 15: 1}),
	})
	packet[header.IPv6NextHeaderOffset] = transport
	return append(packet, payload...)
}

func TestErrorsQuoteWhatTheyAreAboutAndGoBackToItsSender(t *testing.T) {
	payload := make([]byte, 4000)
	for reason, want := range map[Reason][4]byte{
		NetworkUnreachable: {3, 0, 1, 0}, HostUnreachable: {3, 1, 1, 3}, PortUnreachable: {3, 3, 1, 4},
		Prohibited: {3, 13, 1, 1}, TooBig: {3, 4, 2, 0}, TimeExceeded: {11, 0, 3, 0},
	} {
		four := Error(netip.MustParseAddr("10.0.0.1"), packet4(17, payload), reason, 1500)
		ip := header.IPv4(four)
		message := four[header.IPv4MinimumSize:]
		if !ip.IsValid(len(four)) || !ip.IsChecksumValid() || len(four) != 576 || checksum.Checksum(message, 0) != 0xffff ||
			ip.DestinationAddress() != tcpip.AddrFrom4([4]byte{10, 0, 0, 3}) {
			t.Errorf("%d: %x", reason, four)
		}
		if [2]byte(message) != [2]byte(want[:2]) || (reason == TooBig) != (message[6] == 1500>>8 && message[7] == 1500&0xff) {
			t.Errorf("%d: IPv4 %x", reason, message[:8])
		}
		six := Error(netip.MustParseAddr("fd00::1"), packet6(17, payload), reason, 1500)
		message = six[header.IPv6MinimumSize:]
		from, to := header.IPv6(six).SourceAddress(), header.IPv6(six).DestinationAddress()
		sum := header.PseudoHeaderChecksum(header.ICMPv6ProtocolNumber, from, to, uint16(len(message)))
		if len(six) != header.IPv6MinimumMTU || [2]byte(message) != [2]byte(want[2:]) || checksum.Checksum(message, sum) != 0xffff {
			t.Errorf("%d: IPv6 %x", reason, six[:48])
		}
	}
}

func TestNothingIsSaidAboutErrorsAndLaterFragments(t *testing.T) {
	fragment := packet4(17, make([]byte, 8))
	header.IPv4(fragment).SetFlagsFragmentOffset(0, 8)
	for name, packet := range map[string][]byte{
		"nothing":          nil,
		"half a header":    packet4(17, nil)[:10],
		"half a header, 6": packet6(17, nil)[:10],
		"a later fragment": fragment,
		"an error":         packet4(1, []byte{3, 1, 0, 0}),
		"an error, 6":      packet6(58, []byte{1, 0, 0, 0}),
		"empty ICMP":       packet4(1, nil),
	} {
		if message := Error(netip.MustParseAddr("10.0.0.1"), packet, HostUnreachable, 0); message != nil {
			t.Errorf("%s: %x", name, message)
		}
	}
	for name, packet := range map[string][]byte{"a ping": packet4(1, []byte{8, 0, 0, 0}), "a ping, 6": packet6(58, []byte{128, 0, 0, 0})} {
		if Error(netip.MustParseAddr("10.0.0.1"), packet, HostUnreachable, 0) == nil {
			t.Errorf("%s: nothing is said", name)
		}
	}
}
