// Package peer stands in for a guest and its hypervisor in tests: a network stack behind a Unix socket that frames are
// exchanged over, as QEMU's is.
package peer

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"ember.dev/net/internal/link"
)

// NIC of the guest.
const NIC = tcpip.NICID(1)

// Guest is the machine behind the socket.
type Guest struct {
	Stack    *stack.Stack
	Endpoint *link.Endpoint
	// Seen gets a copy of each frame that arrives, when it is set before Listen.
	Seen chan []byte
	wire atomic.Pointer[net.UnixConn]
}

// New makes a guest with addresses; own and other are the two ends of its cable.
func New(t testing.TB, own, other tcpip.LinkAddress, mtu uint32, addresses ...tcpip.Address) *Guest {
	t.Helper()
	g := &Guest{Endpoint: link.NewEndpoint(own, other, mtu)}
	g.Stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
	})
	t.Cleanup(g.Stack.Close)
	if err := g.Stack.CreateNIC(NIC, g.Endpoint); err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		protocol := header.IPv4ProtocolNumber
		if address.Len() == header.IPv6AddressSize {
			protocol = header.IPv6ProtocolNumber
		}
		with := tcpip.ProtocolAddress{Protocol: protocol, AddressWithPrefix: address.WithPrefix()}
		if err := g.Stack.AddProtocolAddress(NIC, with, stack.AddressProperties{}); err != nil {
			t.Fatal(err)
		}
	}
	g.Stack.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, NIC: NIC}, {Destination: header.IPv6EmptySubnet, NIC: NIC},
	})
	sack := tcpip.TCPSACKEnabled(true)
	moderate := tcpip.TCPModerateReceiveBufferOption(true)
	for _, option := range []tcpip.SettableTransportProtocolOption{&sack, &moderate} {
		if err := g.Stack.SetTransportProtocolOption(tcp.ProtocolNumber, option); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

// Listen waits at path for ember-net, again after each connection, until the test ends.
func (g *Guest) Listen(t testing.TB, path string) {
	t.Helper()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	t.Cleanup(func() {
		cancel()
		listener.Close()
		<-done
	})
	go func() {
		defer close(done)
		for {
			conn, err := listener.AcceptUnix()
			if err != nil {
				return
			}
			g.wire.Store(conn)
			_ = link.NewStream(path, func() {}).Carry(ctx, conn, g.Endpoint.Queue, g.receive) // the next connection is as good
		}
	}()
}

// HangUp ends the connection with ember-net, as the machine's end does.
func (g *Guest) HangUp() {
	if conn := g.wire.Load(); conn != nil {
		conn.Close()
	}
}

func (g *Guest) receive(frame *buffer.View) {
	if g.Seen != nil {
		select {
		case g.Seen <- append([]byte(nil), frame.AsSlice()...):
		default:
		}
	}
	protocol := header.Ethernet(frame.AsSlice()).Type()
	frame.TrimFront(link.HeaderLength)
	packet := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithView(frame)})
	g.Endpoint.Deliver(protocol, packet)
	packet.DecRef()
}

// DialTCP connects from the guest.
func (g *Guest) DialTCP(ctx context.Context, address tcpip.Address, port uint16) (*gonet.TCPConn, error) {
	protocol := header.IPv4ProtocolNumber
	if address.Len() == header.IPv6AddressSize {
		protocol = header.IPv6ProtocolNumber
	}
	return gonet.DialContextTCP(ctx, g.Stack, tcpip.FullAddress{NIC: NIC, Addr: address, Port: port}, protocol)
}

// DialUDP makes a socket of the guest that exchanges datagrams with one address.
func (g *Guest) DialUDP(address tcpip.Address, port uint16) (*gonet.UDPConn, error) {
	protocol := header.IPv4ProtocolNumber
	if address.Len() == header.IPv6AddressSize {
		protocol = header.IPv6ProtocolNumber
	}
	return gonet.DialUDP(g.Stack, nil, &tcpip.FullAddress{NIC: NIC, Addr: address, Port: port}, protocol)
}
