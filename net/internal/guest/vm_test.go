package guest

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"ember.dev/net/internal/dial"
	"ember.dev/net/internal/guard"
	"ember.dev/net/internal/names"
	"ember.dev/net/internal/peer"
	"ember.dev/net/internal/policy"
	"ember.dev/net/internal/record"
	"ember.dev/net/internal/route"
)

// outside stands for any host of the outside; this host's loopback answers in its place.
var outside = netip.MustParseAddr("192.0.2.1")

type world struct{ Surroundings }

type loopbackDialer struct{}

func (loopbackDialer) TCP(ctx context.Context, _ string, to netip.AddrPort) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", netip.AddrPortFrom(inPlaceOf(to.Addr()), to.Port()).String())
}

func (loopbackDialer) UDP(to netip.AddrPort) (*net.UDPConn, error) {
	return net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(inPlaceOf(to.Addr()), to.Port())))
}

func (loopbackDialer) Ping(to netip.Addr) (*dial.Pinger, error) {
	return dial.New(anything{}, names.NewPool()).Ping(inPlaceOf(to))
}

// anything may be reached.
type anything struct{}

func (anything) Check(netip.Addr) error { return nil }

func inPlaceOf(address netip.Addr) netip.Addr {
	if address.Is6() {
		return netip.IPv6Loopback()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

func newWorld(upstream names.Upstream) *world {
	return &world{Surroundings{
		Routes:   route.NewTable(),
		Guard:    guard.NewFor(func() (guard.Host, error) { return guard.Host{}, nil }),
		Dialer:   loopbackDialer{},
		Resolver: names.New(upstream, names.NewPool(), func(string) bool { return false }),
	}}
}

func settingsFor(t testing.TB, number byte) Settings {
	block := []byte{10, 100, 0, number * 8}
	at := func(offset byte) string {
		return netip.AddrFrom4([4]byte{block[0], block[1], block[2], block[3] + offset}).String()
	}
	return Settings{
		ID: "vm" + string('0'+rune(number)), Name: "vm" + string('0'+rune(number)),
		MAC: net.HardwareAddr{0x52, 0x54, 0, 0, 0, number}.String(), Address: at(3), Prefix: 29, Gateway: at(1), Resolver: at(2),
		MTU: 65520, Link: Link{Kind: "stream", Path: filepath.Join(t.TempDir(), "eth")}, Connected: true, Policy: policy.Open(),
	}
}

func start(t testing.TB, w *world, settings Settings) (*VM, *peer.Guest) {
	t.Helper()
	addresses, err := settings.Addresses()
	if err != nil {
		t.Fatal(err)
	}
	var own []tcpip.Address
	for _, address := range addresses.All() {
		own = append(own, toStack(address))
	}
	machine := peer.New(t, tcpip.LinkAddress(addresses.MAC), gatewayMAC, settings.MTU, own...)
	machine.Seen = make(chan []byte, 1000)
	machine.Listen(t, settings.Link.Path)
	vm, err := New(&settings, w.Surroundings, record.New())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(vm.Close)
	for !vm.link.Linked() {
		time.Sleep(time.Millisecond)
	}
	return vm, machine
}

func TestBytesArriveWholeBothWaysAndEndsAreSeen(t *testing.T) {
	vm, machine := start(t, newWorld(nil), settingsFor(t, 1))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.Copy(conn, conn)
	}()
	_ = vm
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	port := uint16(listener.Addr().(*net.TCPAddr).Port)
	conn, err := machine.DialTCP(ctx, toStack(outside), port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sent := make([]byte, 8<<20)
	rand.Read(sent)
	go func() {
		_, _ = conn.Write(sent)
		_ = conn.CloseWrite()
	}()
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%d bytes came back of %d: %v", len(got), len(sent), err)
	}
}
