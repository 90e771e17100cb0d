package route

import (
	"net/netip"
	"sync"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"ember.dev/net/internal/icmp"
)

// Port is a VM's place in the table.
type Port interface {
	// MTU of the VM's link, bytes.
	MTU() uint32
	// SendPayload puts an IP packet, which it owns, on the VM's link.
	SendPayload(protocol tcpip.NetworkProtocolNumber, packet buffer.Buffer) bool
}

// Table says which VM has which address.
type Table struct {
	mu    sync.RWMutex
	ports map[netip.Addr]Port
}

// NewTable makes an empty table.
func NewTable() *Table { return &Table{ports: map[netip.Addr]Port{}} }

// Add makes port the way to address.
func (t *Table) Add(address netip.Addr, port Port) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ports[address] = port
}

// Remove takes the way away, if it leads to port.
func (t *Table) Remove(address netip.Addr, port Port) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ports[address] == port {
		delete(t.ports, address)
	}
}

// Find gives the VM that has address, or nil.
func (t *Table) Find(address netip.Addr) Port {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.ports[address]
}

// Forward passes an IP packet whose header has been checked on to a sibling. What cannot go on is answered to from, in
// the name of gateway. The packet is Forward's.
func Forward(packet *buffer.View, from, to Port, gateway netip.Addr) {
	bytes := packet.AsSlice()
	protocol := tcpip.NetworkProtocolNumber(header.IPv4ProtocolNumber)
	if bytes[0]>>4 == 6 {
		protocol = header.IPv6ProtocolNumber
	}
	refuse := func(reason icmp.Reason) {
		if message := icmp.Error(gateway, bytes, reason, to.MTU()); message != nil {
			from.SendPayload(protocol, buffer.MakeWithData(message))
		}
		packet.Release()
	}
	if !spendHop(bytes) {
		refuse(icmp.TimeExceeded)
		return
	}
	if len(bytes) <= int(to.MTU()) {
		to.SendPayload(protocol, buffer.MakeWithView(packet))
		return
	}
	if protocol == header.IPv6ProtocolNumber || header.IPv4(bytes).Flags()&header.IPv4FlagDontFragment != 0 {
		refuse(icmp.TooBig)
		return
	}
	for _, fragment := range fragments(bytes, int(to.MTU())) {
		to.SendPayload(protocol, buffer.MakeWithData(fragment))
	}
	packet.Release()
}

// spendHop counts the hop limit down; false when it is used up.
func spendHop(packet []byte) bool {
	if packet[0]>>4 == 6 {
		ip := header.IPv6(packet)
		if ip.HopLimit() <= 1 {
			return false
		}
		ip.SetHopLimit(ip.HopLimit() - 1)
		return true
	}
	ip := header.IPv4(packet)
	if ip.TTL() <= 1 {
		return false
	}
	ip.SetTTL(ip.TTL() - 1)
	ip.SetChecksum(0)
	ip.SetChecksum(^ip.CalculateChecksum())
	return true
}

// fragments splits an IPv4 packet, or a fragment of one. Options go into each, which none but the oldest forbid.
func fragments(packet []byte, mtu int) [][]byte {
	ip := header.IPv4(packet)
	headerLength := int(ip.HeaderLength())
	payload := packet[headerLength:]
	offset := ip.FragmentOffset()
	more := ip.Flags() & header.IPv4FlagMoreFragments
	room := (mtu - headerLength) &^ 7
	var list [][]byte
	for len(payload) > 0 {
		n := min(room, len(payload))
		fragment := append(append(make([]byte, 0, headerLength+n), packet[:headerLength]...), payload[:n]...)
		payload = payload[n:]
		flags := more
		if len(payload) > 0 {
			flags = header.IPv4FlagMoreFragments
		}
		part := header.IPv4(fragment)
		part.SetTotalLength(uint16(len(fragment)))
		part.SetFlagsFragmentOffset(flags, offset)
		part.SetChecksum(0)
		part.SetChecksum(^part.CalculateChecksum())
		list = append(list, fragment)
		offset += uint16(n)
	}
	return list
}
