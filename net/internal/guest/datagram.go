package guest

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"ember.dev/net/internal/icmp"
)

// largestDatagram that IPv4 has room for, bytes.
const largestDatagram = 65507

// datagramBuffers are held only while there is a datagram to read.
var datagramBuffers = sync.Pool{New: func() any { return new([largestDatagram + 1]byte) }}

// returnDatagrams passes on what comes from the outside, until there was silence for long or the flow was ended.
func (vm *VM) returnDatagrams(d *datagrams, conn *net.UDPConn) {
	for {
		last := time.Unix(0, d.lastUse.Load())
		if conn.SetReadDeadline(last.Add(d.idle())) != nil {
			return
		}
		err := vm.returnOne(d)
		switch {
		case err == nil:
			d.lastUse.Store(time.Now().UnixNano())
		case errors.Is(err, syscall.ECONNREFUSED):
			vm.undeliverable(d.id, icmp.PortUnreachable)
		case errors.Is(err, syscall.EHOSTUNREACH):
			vm.undeliverable(d.id, icmp.HostUnreachable)
		case errors.Is(err, os.ErrDeadlineExceeded):
			if time.Since(time.Unix(0, d.lastUse.Load())) >= d.idle() {
				return
			}
		default:
			return
		}
	}
}

func (vm *VM) returnOne(d *datagrams) error {
	var failure error
	err := d.raw.Read(func(fd uintptr) bool {
		space := datagramBuffers.Get().(*[largestDatagram + 1]byte)
		defer datagramBuffers.Put(space)
		var n int
		for {
			n, failure = syscall.Read(int(fd), space[:])
			if failure != syscall.EINTR {
				break
			}
		}
		if failure == syscall.EAGAIN {
			return false
		}
		if failure == nil {
			vm.sendDatagram(d.id, space[:n])
		}
		return true
	})
	if err != nil {
		return err
	}
	return failure
}

// newDatagram makes the packet for the guest's end of a flow, without its IP header.
func newDatagram(id stack.TransportEndpointID, payload []byte, path *stack.Route) *stack.PacketBuffer {
	view := buffer.NewViewSize(len(payload))
	copy(view.AsSlice(), payload)
	packet := stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: header.UDPMinimumSize + int(path.MaxHeaderLength()),
		Payload:            buffer.MakeWithView(view),
	})
	packet.TransportProtocolNumber = header.UDPProtocolNumber
	length := uint16(header.UDPMinimumSize + len(payload))
	udp := header.UDP(packet.TransportHeader().Push(header.UDPMinimumSize))
	udp.Encode(&header.UDPFields{SrcPort: id.LocalPort, DstPort: id.RemotePort, Length: length})
	sum := header.PseudoHeaderChecksum(header.UDPProtocolNumber, id.LocalAddress, id.RemoteAddress, length)
	udp.SetChecksum(^udp.CalculateChecksum(checksum.Checksum(payload, sum)))
	if udp.Checksum() == 0 {
		udp.SetChecksum(0xffff) // zero would mean that there is none
	}
	return packet
}
