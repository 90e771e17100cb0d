package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/loopback"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"ember.dev/net/internal/fault"
	"ember.dev/net/internal/relay"
)

var guestAddress = tcpip.AddrFrom4([4]byte{10, 100, 0, 3})

// machine is a guest that echoes at port 80, in a stack that is all its own.
type machine struct {
	stack *stack.Stack
	// silent dials are lost before one is answered, as while a guest boots.
	silent atomic.Int32
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{stack: stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
		HandleLocal:        true,
	})}
	t.Cleanup(m.stack.Close)
	if err := m.stack.CreateNIC(1, loopback.New()); err != nil {
		t.Fatal(err)
	}
	address := tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: guestAddress.WithPrefix()}
	if err := m.stack.AddProtocolAddress(1, address, stack.AddressProperties{}); err != nil {
		t.Fatal(err)
	}
	m.stack.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: 1}})
	listener, err := gonet.ListenTCP(m.stack, tcpip.FullAddress{Addr: guestAddress, Port: 80}, ipv4.ProtocolNumber)
	if err != nil {
		t.Fatal(err)
	}
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
	return m
}

// guestConn is a connection with the machine.
type guestConn struct {
	*gonet.TCPConn
	endpoint tcpip.Endpoint
	queue    *waiter.Queue
}

func (c guestConn) Reset()                                    { c.endpoint.Abort() }
func (c guestConn) Endpoint() (tcpip.Endpoint, *waiter.Queue) { return c.endpoint, c.queue }
func (c guestConn) SegmentSize() int                          { return 1400 }

func (m *machine) Dial(ctx context.Context, port uint16) (relay.Guest, error) {
	if m.silent.Add(-1) >= 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	queue := new(waiter.Queue)
	endpoint, failure := m.stack.NewEndpoint(tcp.ProtocolNumber, ipv4.ProtocolNumber, queue)
	if failure != nil {
		return nil, errors.New(failure.String())
	}
	entry, ready := waiter.NewChannelEntry(waiter.WritableEvents | waiter.EventErr | waiter.EventHUp)
	queue.EventRegister(&entry)
	defer queue.EventUnregister(&entry)
	failure = endpoint.Connect(tcpip.FullAddress{Addr: guestAddress, Port: port})
	if _, started := failure.(*tcpip.ErrConnectStarted); started {
		<-ready
		failure = endpoint.LastError()
	}
	if failure != nil {
		endpoint.Close()
		return nil, syscall.ECONNREFUSED
	}
	return guestConn{gonet.NewTCPConn(queue, endpoint), endpoint, queue}, nil
}

type echoing struct{ receive func([]byte) }

func (e echoing) Send(payload []byte) { e.receive(payload) }
func (e echoing) Close()              {}

func (m *machine) Exchange(_ uint16, receive func([]byte)) (Exchange, error) {
	return echoing{receive}, nil
}

type openGate struct{}

func (openGate) WaitForRoom(context.Context) error { return nil }

func (m *machine) Gate() relay.Gate { return openGate{} }

func freePort(t *testing.T, protocol string) uint16 {
	t.Helper()
	if protocol == "udp" {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).AddrPort().Port()
}

func echoes(t *testing.T, conn net.Conn) error {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "hello"); err != nil {
		return err
	}
	got := make([]byte, 5)
	_, err := io.ReadFull(conn, got)
	if err == nil && string(got) != "hello" {
		err = fmt.Errorf("got %q", got)
	}
	return err
}

func on(protocol string, host, guest uint16) Port {
	return Port{Protocol: protocol, HostAddress: "127.0.0.1", HostPort: host, GuestPort: guest}
}

func TestPublishedPortsLeadToTheGuest(t *testing.T) {
	ports := NewPorts(newMachine(t))
	defer ports.Close()
	list := []Port{on("tcp", freePort(t, "tcp"), 80), on("udp", freePort(t, "udp"), 80), on("tcp", freePort(t, "tcp"), 81)}
	if err := ports.Set(list); err != nil {
		t.Fatal(err)
	}
	for _, port := range list {
		conn, err := net.Dial(port.Protocol, net.JoinHostPort(port.HostAddress, fmt.Sprint(port.HostPort)))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := echoes(t, conn); (err == nil) != (port.GuestPort == 80) {
			t.Errorf("%s: %v", port, err)
		}
	}
}

func TestPortsAreChangedAsAWholeOrNotAtAll(t *testing.T) {
	ports := NewPorts(newMachine(t))
	defer ports.Close()
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	takenPort := taken.Addr().(*net.TCPAddr).AddrPort().Port()
	first, second := on("tcp", freePort(t, "tcp"), 80), on("tcp", freePort(t, "tcp"), 80)
	if err := ports.Set([]Port{first}); err != nil {
		t.Fatal(err)
	}
	kept, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", fmt.Sprint(first.HostPort)))
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	if err := echoes(t, kept); err != nil {
		t.Fatal(err)
	}
	var known *fault.Fault
	err = ports.Set([]Port{second, on("tcp", takenPort, 80)})
	if !errors.As(err, &known) || known.Code != fault.PortTaken || !strings.Contains(known.Message, fmt.Sprint(takenPort)) {
		t.Errorf("a taken port: %v", err)
	}
	if list := ports.List(); len(list) != 1 || list[0] != first {
		t.Errorf("afterwards open: %v", list)
	}
	for _, bad := range []Port{on("sctp", 1, 1), on("tcp", 0, 80), on("tcp", 80, 0), {Protocol: "tcp", HostAddress: "here", HostPort: 1, GuestPort: 1}} {
		if err := ports.Set([]Port{bad}); !errors.As(err, &known) || known.Code != fault.Usage {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if err := ports.Set([]Port{second}); err != nil {
		t.Fatal(err)
	}
	if err := echoes(t, kept); err != nil {
		t.Errorf("a connection over a port that is closed to others: %v", err)
	}
	if conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", fmt.Sprint(first.HostPort))); err == nil {
		conn.Close()
		t.Error("the port is still open")
	}
}

func askAgent(t *testing.T, path, request string) (*net.UnixConn, string) {
	t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 0, 16)
	for !strings.HasSuffix(string(answer), "\n") && len(answer) < cap(answer) {
		if _, err := io.ReadFull(conn, answer[len(answer):len(answer)+1]); err != nil {
			break
		}
		answer = answer[:len(answer)+1]
	}
	return conn, string(answer)
}

func TestTheAgentsSocketLeadsToAnyPort(t *testing.T) {
	machine := newMachine(t)
	path := filepath.Join(t.TempDir(), "agent")
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		t.Fatal(err) // left by a dead process
	}
	agent, err := ListenAgent(path, machine)
	if err != nil {
		t.Fatal(err)
	}
	if facts, err := os.Stat(path); err != nil || facts.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", facts.Mode(), err)
	}
	machine.silent.Store(2) // it boots
	conn, answer := askAgent(t, path, "CONNECT 80\n")
	if !strings.HasPrefix(answer, "OK ") {
		t.Fatalf("%q", answer)
	}
	if err := echoes(t, conn); err != nil {
		t.Error(err)
	}
	for _, request := range []string{"CONNECT 81\n", "CONNECT 0\n", "CONNECT 65536\n", "CONNECT -1\n", "GET / HTTP/1.1\n", "\n", strings.Repeat("x", 100)} {
		if _, answer := askAgent(t, path, request); answer != "" {
			t.Errorf("%q is answered by %q", request, answer)
		}
	}
	agent.Close()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlives the socket")
	}
}
