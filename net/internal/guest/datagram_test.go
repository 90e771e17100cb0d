package guest

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"ember.dev/net/internal/peer"
	"ember.dev/net/internal/policy"
)

// datagramEcho answers every datagram by itself.
func datagramEcho(t testing.TB) uint16 {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		space := make([]byte, largestDatagram)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(space)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			_, _ = conn.WriteToUDPAddrPort(space[:n], from)
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
}

func TestDatagramsComeBackWholeWhateverTheMTU(t *testing.T) {
	port := datagramEcho(t)
	for _, mtu := range []uint32{1500, 65520} {
		settings := settingsFor(t, 1)
		settings.MTU = mtu
		_, machine := start(t, newWorld(nil), settings)
		conn, err := machine.DialUDP(toStack(outside), port)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for _, size := range []int{0, 1, 1472, 1473, 9000, 60000} {
			sent := make([]byte, size)
			for i := range sent {
				sent[i] = byte(i * 7)
			}
			if _, err := conn.Write(sent); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, largestDatagram)
			if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
				t.Fatal(err)
			}
			n, err := conn.Read(got)
			if err != nil || n != size || string(got[:n]) != string(sent) {
				t.Errorf("MTU %d: %d bytes of %d came back: %v", mtu, n, size, err)
			}
		}
	}
}

// nextICMP waits for an ICMP message to the guest, and gives its type and code.
func nextICMP(t *testing.T, machine *peer.Guest) (kind, code byte) {
	t.Helper()
	deadline := time.After(5 * time.Second)
	for {
		select {
		case frame := <-machine.Seen:
			packet := frame[header.EthernetMinimumSize:]
			if packet[0]>>4 == 4 && packet[9] == byte(header.ICMPv4ProtocolNumber) {
				message := packet[header.IPv4(packet).HeaderLength():header.IPv4(packet).TotalLength()]
				if checksum.Checksum(message, 0) != 0xffff {
					t.Error("the ICMP message has a wrong checksum")
				}
				return message[0], message[1]
			}
		case <-deadline:
			t.Fatal("no ICMP message came")
		}
	}
}

func TestRefusedDatagramsAreAnsweredByICMP(t *testing.T) {
	closed := datagramEcho(t) // and closed again at once
	probe, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	closed = probe.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	probe.Close()
	settings := settingsFor(t, 1)
	settings.Policy.Rules = []policy.Rule{{Action: policy.ActionRefuse, CIDR: netip.MustParsePrefix("198.51.100.0/24"), Text: "--deny"}}
	vm, machine := start(t, newWorld(nil), settings)
	for name, one := range map[string]struct {
		to         string
		port       uint16
		kind, code byte
	}{
		"nobody listens":          {"192.0.2.1", closed, 3, 3},
		"the policy refuses":      {"198.51.100.1", 1000, 3, 13},
		"the contract refuses":    {"169.254.169.254", 53, 3, 13},
		"nothing at the gateway":  {"10.100.0.9", 1000, 3, 3},
		"nothing at the resolver": {"10.100.0.10", 54, 3, 3},
	} {
		conn, err := machine.DialUDP(toStack(netip.MustParseAddr(one.to)), one.port)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if kind, code := nextICMP(t, machine); kind != one.kind || code != one.code {
			t.Errorf("%s: ICMP type %d code %d", name, kind, code)
		}
		conn.Close()
	}
	if got := vm.Status().Refused; got != 2 {
		t.Errorf("%d flows are counted as refused", got)
	}
}

func TestPings(t *testing.T) {
	_, machine := start(t, newWorld(nil), settingsFor(t, 1))
	for name, one := range map[string]struct {
		to   string
		kind byte
	}{
		"the gateway":  {"10.100.0.9", 0},
		"the resolver": {"10.100.0.10", 0},
		"metadata":     {"169.254.169.254", 3},
	} {
		sendPing(machine, netip.MustParseAddr(one.to))
		if kind, _ := nextICMP(t, machine); kind != one.kind {
			t.Errorf("%s: ICMP type %d", name, kind)
		}
	}
	// Either the host lets this user ping, or the guest is told at once that it does not.
	sendPing(machine, outside)
	if kind, code := nextICMP(t, machine); kind != 0 && (kind != 3 || code != 13) {
		t.Errorf("the outside: ICMP type %d code %d", kind, code)
	}
}

func sendPing(machine *peer.Guest, to netip.Addr) {
	message := make([]byte, 16)
	message[0] = byte(header.ICMPv4Echo)
	binary.BigEndian.PutUint16(message[4:], 77)
	binary.BigEndian.PutUint16(message[6:], 1)
	binary.BigEndian.PutUint16(message[2:], ^checksum.Checksum(message, 0))
	sendFrame(machine, packet4(netip.MustParseAddr("10.100.0.11"), to, byte(header.ICMPv4ProtocolNumber), message))
}
