package guest

import (
	"context"
	"io"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"ember.dev/net/internal/peer"
)

func echoIn(t *testing.T, machine *peer.Guest, address tcpip.Address, port uint16) {
	t.Helper()
	listener, err := gonet.ListenTCP(machine.Stack, tcpip.FullAddress{NIC: peer.NIC, Addr: address, Port: port}, header.IPv4ProtocolNumber)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
}

func TestSiblingsReachEachOtherWhateverTheirMTUs(t *testing.T) {
	world := newWorld(nil)
	first := settingsFor(t, 1)
	_, web := start(t, world, first)
	second := settingsFor(t, 2)
	second.MTU = 1500
	vm2, db := start(t, world, second)
	echoIn(t, db, toStack(vm2.addresses.Own), 5432)
	conn, err := dialFrom(t, web, vm2.addresses.Own, 5432)
	if err != nil {
		t.Fatal(err)
	}
	sent := make([]byte, 300_000)
	go func() { _, _ = conn.Write(sent) }()
	if _, err := io.ReadFull(conn, make([]byte, len(sent))); err != nil {
		t.Error(err)
	}
	// A datagram that is too long for the sibling's link comes in fragments, unless it forbids them.
	packet := packet4(toAddr("10.100.0.11"), vm2.addresses.Own, byte(header.ICMPv4ProtocolNumber), append([]byte{8, 0, 0, 0}, make([]byte, 4000)...))
	ip := header.IPv4(packet)
	ip.SetFlagsFragmentOffset(header.IPv4FlagDontFragment, 0)
	ip.SetChecksum(0)
	ip.SetChecksum(^ip.CalculateChecksum())
	sendFrame(web, packet)
	if kind, code := nextICMP(t, web); kind != 3 || code != 4 {
		t.Errorf("too long: ICMP type %d code %d", kind, code)
	}
	exhausted := packet4(toAddr("10.100.0.11"), vm2.addresses.Own, 17, []byte{0, 9, 0, 9, 0, 8, 0, 0})
	header.IPv4(exhausted).SetTTL(1)
	header.IPv4(exhausted).SetChecksum(0)
	header.IPv4(exhausted).SetChecksum(^header.IPv4(exhausted).CalculateChecksum())
	sendFrame(web, exhausted)
	if kind, code := nextICMP(t, web); kind != 11 || code != 0 {
		t.Errorf("out of hops: ICMP type %d code %d", kind, code)
	}
}

func TestVMsThatAreNotConnectedHaveNoSiblings(t *testing.T) {
	world := newWorld(nil)
	_, web := start(t, world, settingsFor(t, 1))
	second := settingsFor(t, 2)
	second.Connected = false
	vm2, db := start(t, world, second)
	echoIn(t, db, toStack(vm2.addresses.Own), 1022)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := vm2.Dial(ctx, 1022)
	if err != nil {
		t.Fatalf("the host does not reach its agent: %v", err)
	}
	conn.Close()
	if world.Routes.Find(vm2.addresses.Own) != nil {
		t.Error("there is a way to it")
	}
	_ = web
}
