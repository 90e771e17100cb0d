package guest

import (
	"io"
	"net"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

func withIPv6(t *testing.T) Settings {
	t.Helper()
	settings := settingsFor(t, 1)
	settings.Address6, settings.Gateway6, settings.Resolver6 = "fd00:1::3", "fd00:1::1", "fd00:1::2"
	return settings
}

func TestIPv6GoesTheSameWay(t *testing.T) {
	listener, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skipf("this host has no IPv6: %v", err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "hello")
	}()
	_, machine := start(t, newWorld(nil), withIPv6(t))
	conn, err := dialFrom(t, machine, toAddr("2001:db8::1"), listener.Addr().(*net.TCPAddr).AddrPort().Port())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	for _, refused := range []string{"fd00:ec2::254", "64:ff9b::7f00:1", "2002:7f00:1::1"} {
		if conn, err := dialFrom(t, machine, toAddr(refused), 80); err == nil {
			conn.Close()
			t.Errorf("%s is reached", refused)
		}
	}
}

func TestNeighboursOfTheCableAreTheGatewaysAlone(t *testing.T) {
	vm, machine := start(t, newWorld(nil), withIPv6(t))
	for _, target := range []string{"fd00:1::9", "fd00:1::1", "fd00:1::2"} {
		message := make([]byte, header.ICMPv6NeighborSolicitMinimumSize)
		header.ICMPv6(message).SetType(header.ICMPv6NeighborSolicit)
		header.NDPNeighborSolicit(header.ICMPv6(message).MessageBody()).SetTargetAddress(toStack(toAddr(target)))
		packet := make([]byte, header.IPv6MinimumSize, header.IPv6MinimumSize+len(message))
		header.IPv6(packet).Encode(&header.IPv6Fields{
			PayloadLength: uint16(len(message)), TransportProtocol: header.ICMPv6ProtocolNumber, HopLimit: 255,
			SrcAddr: toStack(vm.addresses.Own6), DstAddr: toStack(toAddr("ff02::1:ff00:1")),
		})
		sendFrame(machine, append(packet, message...))
	}
	for _, want := range []string{"fd00:1::1", "fd00:1::2"} {
		frame := <-machine.Seen
		message := header.ICMPv6(frame[header.EthernetMinimumSize+header.IPv6MinimumSize:])
		body := header.NDPNeighborAdvert(message.MessageBody())
		if message.Type() != header.ICMPv6NeighborAdvert || fromStack(body.TargetAddress()) != toAddr(want) ||
			tcpip.LinkAddress(body.Options()[2:8]) != gatewayMAC {
			t.Errorf("not the answer for %s: %x", want, frame)
		}
	}
	before := vm.Status().Spoofed
	packet := make([]byte, header.IPv6MinimumSize+8)
	header.IPv6(packet).Encode(&header.IPv6Fields{
		PayloadLength: 8, TransportProtocol: header.UDPProtocolNumber, HopLimit: 64,
		SrcAddr: toStack(toAddr("fd00:1::4")), DstAddr: toStack(toAddr("2001:db8::1")),
	})
	sendFrame(machine, packet)
	until(t, "another's IPv6 address is not counted", func() bool { return vm.Status().Spoofed == before+1 })
}
