package link

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Endpoint is a stack's network interface at the other end of whose cable is a guest. It knows the guest's address on
// the link, so that nothing needs to be resolved.
type Endpoint struct {
	Queue *Queue
	// Own and Guest are the two addresses on the link.
	Own, Guest tcpip.LinkAddress
	mtu        atomic.Uint32

	mu         sync.RWMutex
	dispatcher stack.NetworkDispatcher
}

var _ stack.LinkEndpoint = (*Endpoint)(nil)

// NewEndpoint makes the interface for a guest with address guest; mtu is without the Ethernet header, bytes.
func NewEndpoint(own, guest tcpip.LinkAddress, mtu uint32) *Endpoint {
	e := &Endpoint{Queue: NewQueue(), Own: own, Guest: guest}
	e.mtu.Store(mtu)
	return e
}

// Deliver hands an IP packet to the stack; the packet is the caller's.
func (e *Endpoint) Deliver(protocol tcpip.NetworkProtocolNumber, packet *stack.PacketBuffer) {
	e.mu.RLock()
	dispatcher := e.dispatcher
	e.mu.RUnlock()
	if dispatcher != nil {
		dispatcher.DeliverNetworkPacket(protocol, packet)
	}
}

// SendPayload sends what comes after the Ethernet header; it owns payload.
func (e *Endpoint) SendPayload(protocol tcpip.NetworkProtocolNumber, payload buffer.Buffer) bool {
	packet := stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: int(e.MaxHeaderLength()),
		Payload:            payload,
	})
	defer packet.DecRef()
	packet.NetworkProtocolNumber = protocol
	e.AddHeader(packet)
	return e.send(packet)
}

// WritePackets implements stack.LinkEndpoint. What there is no room for is lost, as on any cable.
func (e *Endpoint) WritePackets(packets stack.PacketBufferList) (int, tcpip.Error) {
	for _, packet := range packets.AsSlice() {
		e.send(packet)
	}
	return packets.Len(), nil
}

// send writes the length before the frame, which is its own only now.
func (e *Endpoint) send(packet *stack.PacketBuffer) bool {
	binary.BigEndian.PutUint32(packet.LinkHeader().Slice(), uint32(packet.Size()-prefixLength))
	return e.Queue.Push(packet)
}

// AddHeader implements stack.LinkEndpoint. The header is Ethernet's, with room for a stream's length before it.
func (e *Endpoint) AddHeader(packet *stack.PacketBuffer) {
	space := packet.LinkHeader().Push(prefixLength + HeaderLength)
	header.Ethernet(space[prefixLength:]).Encode(&header.EthernetFields{
		SrcAddr: e.Own,
		DstAddr: e.Guest,
		Type:    packet.NetworkProtocolNumber,
	})
}

// MaxHeaderLength implements stack.LinkEndpoint, bytes.
func (*Endpoint) MaxHeaderLength() uint16 { return prefixLength + HeaderLength }

// ParseHeader implements stack.LinkEndpoint; Deliver gets packets without it.
func (*Endpoint) ParseHeader(*stack.PacketBuffer) bool { return true }

// Capabilities implements stack.LinkEndpoint. What a guest sends came through memory alone: its checksums are not
// looked at. What it receives must have them, since the links have no place to say otherwise.
func (*Endpoint) Capabilities() stack.LinkEndpointCapabilities {
	return stack.CapabilityRXChecksumOffload
}

// Attach implements stack.LinkEndpoint.
func (e *Endpoint) Attach(dispatcher stack.NetworkDispatcher) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dispatcher = dispatcher
}

// IsAttached implements stack.LinkEndpoint.
func (e *Endpoint) IsAttached() bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.dispatcher != nil
}

// MTU implements stack.LinkEndpoint, bytes.
func (e *Endpoint) MTU() uint32 { return e.mtu.Load() }

// SetMTU implements stack.LinkEndpoint.
func (e *Endpoint) SetMTU(mtu uint32) { e.mtu.Store(mtu) }

// LinkAddress implements stack.LinkEndpoint.
func (e *Endpoint) LinkAddress() tcpip.LinkAddress { return e.Own }

// SetLinkAddress implements stack.LinkEndpoint; it is the same for the link's life.
func (*Endpoint) SetLinkAddress(tcpip.LinkAddress) {}

// ARPHardwareType implements stack.LinkEndpoint.
func (*Endpoint) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareEther }

// Wait implements stack.LinkEndpoint; there is nothing of its own to wait for.
func (*Endpoint) Wait() {}

// Close implements stack.LinkEndpoint.
func (e *Endpoint) Close() { e.Queue.Discard() }

// SetOnCloseAction implements stack.LinkEndpoint; nobody sets one.
func (*Endpoint) SetOnCloseAction(func()) {}
