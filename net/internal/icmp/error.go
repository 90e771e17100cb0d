// Package icmp makes the messages by which a guest learns why a packet of its own went nowhere.
package icmp

import (
	"encoding/binary"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// Reason why a packet went no further.
type Reason int

const (
	NetworkUnreachable Reason = iota
	HostUnreachable
	PortUnreachable
	Prohibited
	TooBig
	TimeExceeded
)

type kind struct{ kind, code byte }

var kinds4 = map[Reason]kind{
	NetworkUnreachable: {3, 0}, HostUnreachable: {3, 1}, PortUnreachable: {3, 3}, Prohibited: {3, 13},
	TooBig: {3, 4}, TimeExceeded: {11, 0},
}

var kinds6 = map[Reason]kind{
	NetworkUnreachable: {1, 0}, HostUnreachable: {1, 3}, PortUnreachable: {1, 4}, Prohibited: {1, 1},
	TooBig: {2, 0}, TimeExceeded: {3, 0},
}

const (
	errorHeader = 8
	// quoted is how much of the offending packet goes back at most, bytes: what fits the smallest IPv4 and IPv6 packets.
	quoted4 = 576 - header.IPv4MinimumSize - errorHeader
	quoted6 = header.IPv6MinimumMTU - header.IPv6MinimumSize - errorHeader
	hops    = 64
)

// Error makes the IP packet that tells the sender of offending, an IP packet or its beginning, why it went no further;
// mtu is of the next link, for TooBig, bytes. It returns nil where none may be sent: about other errors, and about
// fragments but the first (RFC 1122, 3.2.2).
func Error(from netip.Addr, offending []byte, reason Reason, mtu uint32) []byte {
	if len(offending) == 0 {
		return nil
	}
	if offending[0]>>4 == 6 {
		return error6(from, offending, reason, mtu)
	}
	return error4(from, offending, reason, mtu)
}

func error4(from netip.Addr, offending []byte, reason Reason, mtu uint32) []byte {
	ip := header.IPv4(offending)
	if len(offending) < header.IPv4MinimumSize || int(ip.HeaderLength()) > len(offending) || ip.FragmentOffset() != 0 {
		return nil
	}
	if ip.TransportProtocol() == header.ICMPv4ProtocolNumber {
		inner := offending[ip.HeaderLength():]
		if len(inner) == 0 || inner[0] != byte(header.ICMPv4Echo) {
			return nil
		}
	}
	offending = offending[:min(len(offending), quoted4)]
	packet := make([]byte, header.IPv4MinimumSize+errorHeader+len(offending))
	header.IPv4(packet).Encode(&header.IPv4Fields{
		TotalLength: uint16(len(packet)),
		TTL:         hops,
		Protocol:    uint8(header.ICMPv4ProtocolNumber),
		SrcAddr:     tcpip.AddrFromSlice(from.AsSlice()),
		DstAddr:     ip.SourceAddress(),
	})
	header.IPv4(packet).SetChecksum(^header.IPv4(packet).CalculateChecksum())
	message := packet[header.IPv4MinimumSize:]
	message[0], message[1] = kinds4[reason].kind, kinds4[reason].code
	if reason == TooBig {
		binary.BigEndian.PutUint16(message[6:], uint16(min(mtu, 65535)))
	}
	copy(message[errorHeader:], offending)
	binary.BigEndian.PutUint16(message[2:], ^checksum.Checksum(message, 0))
	return packet
}

func error6(from netip.Addr, offending []byte, reason Reason, mtu uint32) []byte {
	ip := header.IPv6(offending)
	if len(offending) < header.IPv6MinimumSize {
		return nil
	}
	if ip.TransportProtocol() == header.ICMPv6ProtocolNumber {
		inner := offending[header.IPv6MinimumSize:]
		if len(inner) == 0 || inner[0] < 128 { // those below are errors themselves
			return nil
		}
	}
	offending = offending[:min(len(offending), quoted6)]
	source, destination := tcpip.AddrFromSlice(from.AsSlice()), ip.SourceAddress()
	packet := make([]byte, header.IPv6MinimumSize+errorHeader+len(offending))
	header.IPv6(packet).Encode(&header.IPv6Fields{
		PayloadLength:     uint16(errorHeader + len(offending)),
		TransportProtocol: header.ICMPv6ProtocolNumber,
		HopLimit:          hops,
		SrcAddr:           source,
		DstAddr:           destination,
	})
	message := packet[header.IPv6MinimumSize:]
	message[0], message[1] = kinds6[reason].kind, kinds6[reason].code
	if reason == TooBig {
		binary.BigEndian.PutUint32(message[4:], mtu)
	}
	copy(message[errorHeader:], offending)
	sum := header.PseudoHeaderChecksum(header.ICMPv6ProtocolNumber, source, destination, uint16(len(message)))
	binary.BigEndian.PutUint16(message[2:], ^checksum.Checksum(message, sum))
	return packet
}
