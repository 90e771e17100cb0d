package guest

import (
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"ember.dev/net/internal/peer"
)

// TestAGuestThatFloodsIsHeldToItsLimitsAndOthersGoOn sends more datagram flows, pings and first packets than a VM may have.
func TestAGuestThatFloodsIsHeldToItsLimitsAndOthersGoOn(t *testing.T) {
	world := newWorld(nil)
	vm, flooding := start(t, world, settingsFor(t, 1))
	_, quiet := start(t, world, settingsFor(t, 2))
	port := datagramEcho(t)
	for i := range maxDatagramFlows + 500 {
		udp := []byte{byte(i >> 8), byte(i), byte(port >> 8), byte(port), 0, 8, 0, 0}
		sendFrame(flooding, packet4(vm.addresses.Own, outside, 17, udp))
	}
	until(t, "the flood did not arrive", func() bool { return vm.flows.number("udp") > maxDatagramFlows/2 })
	if got := vm.flows.number("udp"); got > maxDatagramFlows {
		t.Errorf("%d flows go on", got)
	}
	for i := range 3 * maxConnecting {
		segment := make([]byte, header.TCPMinimumSize)
		header.TCP(segment).Encode(&header.TCPFields{
			SrcPort: uint16(i), DstPort: 9, SeqNum: 1, DataOffset: header.TCPMinimumSize, Flags: header.TCPFlagSyn, WindowSize: 1000,
		})
		sendFrame(flooding, packet4(vm.addresses.Own, outside, 6, segment))
	}
	if !echoesDatagram(t, quiet, port) {
		t.Error("another VM's datagrams are lost")
	}
}

func echoesDatagram(t *testing.T, machine *peer.Guest, port uint16) bool {
	t.Helper()
	conn, err := machine.DialUDP(toStack(outside), port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 10 {
		if _, err := conn.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			return true
		}
	}
	return false
}
