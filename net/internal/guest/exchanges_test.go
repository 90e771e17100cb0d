package guest

import (
	"testing"
	"time"
)

func TestTheExchangeThatWasSilentLongestGivesWay(t *testing.T) {
	port := datagramEcho(t)
	vm, machine := start(t, newWorld(nil), settingsFor(t, 1))
	ask := func() bool {
		conn, err := machine.DialUDP(toStack(outside), port)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() }) // its port is not used again before
		for range 50 {                     // a datagram may be lost while many are asked for
			if _, err := conn.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			if err := conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			if n, err := conn.Read(make([]byte, 10)); err == nil && n == 5 {
				return true
			}
		}
		return false
	}
	for i := range maxDatagramFlows + 10 {
		if !ask() {
			t.Fatalf("exchange %d had no answer", i)
		}
	}
	if open := vm.flows.number("udp"); open > maxDatagramFlows || open <= maxDatagramFlows-givingWay {
		t.Errorf("%d exchanges are open", open)
	}
	vm.exchanges.Lock()
	defer vm.exchanges.Unlock()
	if len(vm.exchanges.open) != vm.flows.number("udp") {
		t.Errorf("%d exchanges are known, %d counted", len(vm.exchanges.open), vm.flows.number("udp"))
	}
}
