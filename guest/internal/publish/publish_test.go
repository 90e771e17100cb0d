package publish

import (
	"bufio"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// hostConn is a connection of TCP that claims to come from a peer on vsock.
type hostConn struct {
	*net.TCPConn
	peer string
}

type text string

func (text) Network() string  { return "vsock" }
func (t text) String() string { return string(t) }

func (c hostConn) RemoteAddr() net.Addr { return text(c.peer) }

type claimed struct {
	net.Listener
	peer string
}

func (l claimed) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return hostConn{conn.(*net.TCPConn), l.peer}, nil
}

func serve(t *testing.T, peer string) func() *net.TCPConn {
	t.Helper()
	connect, _ := serveAndStop(t, peer)
	return connect
}

// serveAndStop also returns what is closed once the guest is told to turn itself off.
func serveAndStop(t *testing.T, peer string) (func() *net.TCPConn, chan struct{}) {
	t.Helper()
	stopped := make(chan struct{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go New(netip.Addr{}, func() { close(stopped) }).Serve(claimed{listener, peer})
	return func() *net.TCPConn {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		t.Cleanup(func() { _ = conn.Close() })
		return conn.(*net.TCPConn)
	}, stopped
}

func TestTheHostTurnsTheGuestOffAndNobodyElseDoes(t *testing.T) {
	connect, stopped := serveAndStop(t, "3:1024")
	guest := connect()
	_, _ = io.WriteString(guest, "stop\n")
	if said, _ := io.ReadAll(guest); len(said) != 0 {
		t.Errorf("%q", said)
	}
	select {
	case <-stopped:
		t.Error("a program of the guest has turned it off")
	default:
	}
	connect, stopped = serveAndStop(t, "2:1024")
	host := connect()
	_, _ = io.WriteString(host, "stop\n")
	if said, _ := io.ReadAll(host); string(said) != "OK\n" {
		t.Errorf("%q", said)
	}
	<-stopped
}

func port(address net.Addr) string {
	_, port, _ := net.SplitHostPort(address.String())
	return port
}

func TestBytesGoBothWaysAndSoDoesEachEnd(t *testing.T) {
	service, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close() //nolint:errcheck // a test's
	go func() {
		conn, err := service.Accept()
		if err != nil {
			return
		}
		question, _ := io.ReadAll(conn)
		_, _ = conn.Write([]byte("you said " + string(question)))
		_ = conn.Close()
	}()
	host := serve(t, "2:1024")()
	_, _ = io.WriteString(host, "tcp "+port(service.Addr())+"\n\x00\x02he\x00\x03llo\x00\x00")
	if said, _ := io.ReadAll(host); string(said) != "OK\n\x00\x0eyou said hello\x00\x00" {
		t.Errorf("%q", said)
	}
}

func TestTheServiceEndsWithTheHostAndTheHostWithTheService(t *testing.T) {
	service, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close() //nolint:errcheck // a test's
	connect := serve(t, "2:1024")
	for _, hangUp := range []func(host, conn *net.TCPConn) io.Reader{
		func(host, conn *net.TCPConn) io.Reader { _ = host.Close(); return conn },
		func(host, conn *net.TCPConn) io.Reader { _ = conn.SetLinger(0); _ = conn.Close(); return host },
	} {
		host := connect()
		_, _ = io.WriteString(host, "tcp "+port(service.Addr())+"\n")
		_, _ = io.ReadFull(host, make([]byte, len("OK\n")))
		conn, err := service.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		if said, err := io.ReadAll(hangUp(host, conn.(*net.TCPConn))); err != nil || len(said) != 0 {
			t.Errorf("%q %v", said, err)
		}
	}
}

func TestDatagramsKeepTheirEdges(t *testing.T) {
	service, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close() //nolint:errcheck // a test's
	go func() {
		buffer := make([]byte, 100)
		for {
			count, peer, err := service.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = service.WriteTo([]byte(strings.ToUpper(string(buffer[:count]))), peer)
		}
	}()
	host := serve(t, "2:1024")()
	_, _ = io.WriteString(host, "udp "+port(service.LocalAddr())+"\n\x00\x02ab")
	reader := bufio.NewReader(host)
	if line, _ := reader.ReadString('\n'); line != "OK\n" {
		t.Fatalf("%q", line)
	}
	answer := make([]byte, 4)
	_, _ = io.ReadFull(reader, answer)
	_, _ = io.WriteString(host, "\x00\x01c\x00\x00")
	third := make([]byte, 5)
	_, _ = io.ReadFull(reader, third)
	if string(answer) != "\x00\x02AB" || string(third) != "\x00\x01C\x00\x00" {
		t.Errorf("%q %q", answer, third)
	}
}

func TestWhatCannotBeIsRefusedWithTheReason(t *testing.T) {
	connect := serve(t, "2:1024")
	for _, request := range []string{"tcp 0\n", "tcp 65536\n", "icmp 1\n", "tcp\n", "tcp 1\n", strings.Repeat("x", 40)} {
		host := connect()
		_, _ = io.WriteString(host, request)
		if said, _ := io.ReadAll(host); !strings.HasPrefix(string(said), "NO ") {
			t.Errorf("%q: %q", request, said)
		}
	}
}

// exhausted has no room at first.
type exhausted struct {
	net.Listener
	failures int
}

func (l *exhausted) Accept() (net.Conn, error) {
	if l.failures > 0 {
		l.failures--
		return nil, unix.EMFILE
	}
	return l.Listener.Accept()
}

func TestAMomentWithoutRoomIsOutlived(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		New(netip.Addr{}, nil).Serve(&exhausted{claimed{listener, "2:1024"}, 2})
	}()
	host, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close() //nolint:errcheck // a test's
	_ = host.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(host, "nonsense\n")
	if said, _ := io.ReadAll(host); !strings.HasPrefix(string(said), "NO ") {
		t.Errorf("%q", said)
	}
	_ = listener.Close()
	<-ended
}

func TestWhereAllConnectionsAreInUseTheHostCanStillStopTheGuest(t *testing.T) {
	stopped := make(chan struct{})
	server := New(netip.Addr{}, func() { close(stopped) })
	for range cap(server.slots) {
		server.slots <- struct{}{}
	}
	ask := func(request string) string {
		near, far := net.Pipe()
		go server.handle(far)
		_, _ = io.WriteString(near, request)
		said, _ := io.ReadAll(near)
		return string(said)
	}
	if said := ask("tcp 80\n"); !strings.Contains(said, "connections are open already") {
		t.Errorf("%q", said)
	}
	if said := ask("stop\n"); said != "OK\n" {
		t.Errorf("%q", said)
	}
	<-stopped
}

func TestOnlyTheHostIsServed(t *testing.T) {
	host := serve(t, "3:1024")()
	_, _ = io.WriteString(host, "tcp 1\n")
	if said, _ := io.ReadAll(host); len(said) != 0 {
		t.Errorf("%q", said)
	}
}

func TestAGuestWithANetworkKeepsItsLoopbackToItself(t *testing.T) {
	if got := New(netip.MustParseAddr("192.168.64.9"), nil).Address.String(); got != "192.168.64.9" {
		t.Error(got)
	}
}
