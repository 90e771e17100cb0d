package guest

import (
	"math/bits"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// splitFrom is the length from which splitting a packet costs less than what it spares, bytes.
const splitFrom = 512

// asBuffer hands a packet to the stack, which copies the piece of memory that a header is in whenever somebody else refers
// to it: a long packet's headers get a piece of their own, so that the payload is never copied. The packet is asBuffer's.
func asBuffer(packet *buffer.View) buffer.Buffer {
	bytes := packet.AsSlice()
	length := headersOf(bytes)
	if len(bytes) < splitFrom || length == 0 || length >= len(bytes) {
		return buffer.MakeWithView(packet)
	}
	// At the end of a piece that has no room behind it, in which the payload's beginning would be put.
	room := pieceFor(length)
	headers := buffer.NewViewSize(room)
	copy(headers.AsSlice()[room-length:], bytes)
	headers.TrimFront(room - length)
	packet.TrimFront(length)
	split := buffer.MakeWithView(headers)
	if err := split.Append(packet); err != nil {
		panic(err) // only for views that are already of a buffer
	}
	return split
}

// pieceFor gives the size of the pieces of memory that hold so many bytes: powers of two.
func pieceFor(length int) int {
	const smallest = 64
	return max(smallest, 1<<bits.Len(uint(length-1)))
}

// headersOf gives the length of the IP header and of TCP's or UDP's, 0 when it is not that simple.
func headersOf(packet []byte) int {
	var ip int
	var transport byte
	if packet[0]>>4 == 6 {
		ip, transport = header.IPv6MinimumSize, packet[header.IPv6NextHeaderOffset]
	} else {
		four := header.IPv4(packet)
		if four.More() || four.FragmentOffset() != 0 {
			return 0
		}
		ip, transport = int(four.HeaderLength()), four.Protocol()
	}
	switch {
	case transport == byte(header.UDPProtocolNumber):
		return ip + header.UDPMinimumSize
	case transport == byte(header.TCPProtocolNumber) && len(packet) >= ip+header.TCPMinimumSize:
		return ip + int(header.TCP(packet[ip:]).DataOffset())
	}
	return 0
}
