package route

import (
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// cable keeps what is sent over it.
type cable struct {
	mtu  uint32
	sent [][]byte
}

func (c *cable) MTU() uint32 { return c.mtu }

func (c *cable) SendPayload(_ tcpip.NetworkProtocolNumber, packet buffer.Buffer) bool {
	c.sent = append(c.sent, packet.Flatten())
	packet.Release()
	return true
}

func view(packet []byte) *buffer.View {
	view := buffer.NewViewSize(len(packet))
	copy(view.AsSlice(), packet)
	return view
}

func packet(ttl uint8, flags uint8, payload int) []byte {
	bytes := make([]byte, header.IPv4MinimumSize+payload)
	header.IPv4(bytes).Encode(&header.IPv4Fields{
		TotalLength: uint16(len(bytes)), TTL: ttl, Protocol: 17, Flags: flags,
		SrcAddr: tcpip.AddrFrom4([4]byte{10, 0, 0, 3}), DstAddr: tcpip.AddrFrom4([4]byte{10, 0, 0, 11}),
	})
	header.IPv4(bytes).SetChecksum(^header.IPv4(bytes).CalculateChecksum())
	for i := range payload {
		bytes[header.IPv4MinimumSize+i] = byte(i * 3)
	}
	return bytes
}

var gateway = netip.MustParseAddr("10.0.0.1")

func TestPacketsGoOnWithOneHopLess(t *testing.T) {
	from, to := &cable{mtu: 65520}, &cable{mtu: 65520}
	Forward(view(packet(64, 0, 30000)), from, to, gateway)
	if len(to.sent) != 1 || len(from.sent) != 0 {
		t.Fatalf("%d went on, %d back", len(to.sent), len(from.sent))
	}
	if ip := header.IPv4(to.sent[0]); ip.TTL() != 63 || !ip.IsChecksumValid() || len(ip) != 30020 {
		t.Errorf("%d bytes, %d hops", len(ip), ip.TTL())
	}
}

func TestLongPacketsGoOnInFragmentsThatMakeThemAgain(t *testing.T) {
	from, to := &cable{mtu: 65520}, &cable{mtu: 1500}
	whole := packet(64, 0, 5000)
	Forward(view(whole), from, to, gateway)
	got := make([]byte, 5000)
	for i, fragment := range to.sent {
		ip := header.IPv4(fragment)
		if len(fragment) > 1500 || !ip.IsValid(len(fragment)) || !ip.IsChecksumValid() || ip.More() != (i < len(to.sent)-1) {
			t.Errorf("fragment %d: %x", i, fragment[:20])
		}
		copy(got[ip.FragmentOffset():], ip.Payload())
	}
	if len(to.sent) != 4 || string(got) != string(whole[header.IPv4MinimumSize:]) {
		t.Errorf("%d fragments make another packet", len(to.sent))
	}
}

func TestPacketsThatCannotGoOnAreAnswered(t *testing.T) {
	for name, one := range map[string]struct {
		packet     []byte
		kind, code byte
	}{
		"no hop is left":            {packet(1, 0, 100), 11, 0},
		"too long to be sent whole": {packet(64, header.IPv4FlagDontFragment, 5000), 3, 4},
	} {
		from, to := &cable{mtu: 65520}, &cable{mtu: 1500}
		Forward(view(one.packet), from, to, gateway)
		if len(to.sent) != 0 || len(from.sent) != 1 || from.sent[0][20] != one.kind || from.sent[0][21] != one.code {
			t.Errorf("%s: %d went on, %x back", name, len(to.sent), from.sent)
		}
	}
}

func TestTheTableHasOneWayForEachAddress(t *testing.T) {
	table, first, second := NewTable(), &cable{}, &cable{}
	address := netip.MustParseAddr("10.0.0.3")
	table.Add(address, first)
	table.Add(address, second)
	table.Remove(address, first) // it is another's by now
	if table.Find(address) != second {
		t.Error("the address's new way is gone")
	}
	table.Remove(address, second)
	if table.Find(address) != nil {
		t.Error("there is a way")
	}
}
