package guest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ember.dev/net/internal/dial"
	"ember.dev/net/internal/guard"
	"ember.dev/net/internal/peer"
)

// listenOutside accepts on the loopback and hands each connection to serve.
func listenOutside(t testing.TB, serve func(*net.TCPConn)) uint16 {
	t.Helper()
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.AcceptTCP()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return listener.Addr().(*net.TCPAddr).AddrPort().Port()
}

func dialFrom(t testing.TB, machine *peer.Guest, to netip.Addr, port uint16) (net.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := machine.DialTCP(ctx, toStack(to), port)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	return conn, conn.SetDeadline(time.Now().Add(10 * time.Second))
}

// failingDialer fails as the system would.
type failingDialer struct {
	loopbackDialer
	err error
}

func (f failingDialer) TCP(context.Context, string, netip.AddrPort) (net.Conn, error) {
	return nil, f.err
}

func TestGuestsLearnHowTheirConnectionsFailed(t *testing.T) {
	for name, one := range map[string]struct {
		err  error
		want string
	}{
		"refused":             {syscall.ECONNREFUSED, "refused"},
		"host unreachable":    {syscall.EHOSTUNREACH, "no route to host"},
		"network unreachable": {syscall.ENETUNREACH, "network is unreachable"},
		"the host itself":     {dial.ErrSelf, "refused"},
		"by the contract":     {&guard.Refusal{Address: outside, Reason: "ours"}, "refused"},
		"by the proxy":        {&dial.ProxyError{Status: 403}, "refused"},
	} {
		w := newWorld(nil)
		w.Dialer = failingDialer{err: one.err}
		_, machine := start(t, w, settingsFor(t, 1))
		started := time.Now()
		_, err := dialFrom(t, machine, outside, 80)
		if err == nil || !strings.Contains(err.Error(), one.want) {
			t.Errorf("%s: the guest sees %v after %v", name, err, time.Since(started))
		}
	}
}

func TestNothingButDNSIsAtTheGatewaysAddresses(t *testing.T) {
	_, machine := start(t, newWorld(nil), settingsFor(t, 1))
	for _, port := range []uint16{22, 53, 80} {
		if _, err := dialFrom(t, machine, toAddr("10.100.0.9"), port); err == nil {
			t.Errorf("the gateway accepts at port %d", port)
		}
	}
	if _, err := dialFrom(t, machine, toAddr("10.100.0.10"), 80); err == nil {
		t.Error("the resolver accepts at port 80")
	}
	if _, err := dialFrom(t, machine, toAddr("10.100.0.10"), 53); err != nil {
		t.Errorf("the resolver does not accept at port 53: %v", err)
	}
}

func TestEndsAndResetsPassBothWays(t *testing.T) {
	_, machine := start(t, newWorld(nil), settingsFor(t, 1))
	seen := make(chan error, 1)
	halfClosed := listenOutside(t, func(conn *net.TCPConn) {
		defer conn.Close()
		said, err := io.ReadAll(conn) // until the guest's end
		if err == nil && string(said) != "question" {
			err = errors.New("the outside got " + string(said))
		}
		_, _ = conn.Write([]byte("answer"))
		seen <- err
	})
	conn, err := dialFrom(t, machine, outside, halfClosed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(conn); err != nil || string(answer) != "answer" {
		t.Errorf("after its own end the guest got %q, %v", answer, err)
	}
	if err := <-seen; err != nil {
		t.Error(err)
	}
	resetting := listenOutside(t, func(conn *net.TCPConn) {
		_, _ = conn.Read(make([]byte, 1))
		_ = conn.SetLinger(0)
		conn.Close()
	})
	if conn, err = dialFrom(t, machine, outside, resetting); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a reset looks to the guest like %v", err)
	}
}

func TestAnOutsideThatDoesNotReadHoldsTheGuestBack(t *testing.T) {
	_, machine := start(t, newWorld(nil), settingsFor(t, 1))
	release := make(chan struct{})
	total := make(chan int64, 1)
	port := listenOutside(t, func(conn *net.TCPConn) {
		defer conn.Close()
		<-release
		n, _ := io.Copy(io.Discard, conn)
		total <- n
	})
	conn, err := dialFrom(t, machine, outside, port)
	if err != nil {
		t.Fatal(err)
	}
	const length = 64 << 20
	var written int64
	var mu sync.Mutex
	done := make(chan error, 1)
	go func() {
		chunk := make([]byte, 1<<20)
		for {
			mu.Lock()
			if written == length {
				mu.Unlock()
				done <- conn.(interface{ CloseWrite() error }).CloseWrite()
				return
			}
			mu.Unlock()
			n, err := conn.Write(chunk)
			mu.Lock()
			written += int64(n)
			mu.Unlock()
			if err != nil {
				done <- err
				return
			}
		}
	}()
	var before int64 = -1
	until(t, "the guest is never held back", func() bool {
		time.Sleep(50 * time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		stuck := written == before && written > 0
		before = written
		return stuck
	})
	if before >= length {
		t.Error("everything was taken though nobody reads")
	}
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := <-total; n != length {
		t.Errorf("%d bytes of %d arrived", n, length)
	}
}

func TestAThousandConnectionsAtOnce(t *testing.T) {
	vm, machine := start(t, newWorld(nil), settingsFor(t, 1))
	port := listenOutside(t, func(conn *net.TCPConn) {
		defer conn.Close()
		_, _ = io.Copy(conn, conn)
	})
	const count = 1000
	conns := make([]net.Conn, count)
	var all sync.WaitGroup
	for i := range conns {
		all.Go(func() {
			conn, err := dialFrom(t, machine, outside, port)
			if err != nil {
				t.Error(err)
				return
			}
			conns[i] = conn
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			if _, err := conn.Write([]byte{byte(i), byte(i >> 8)}); err != nil {
				t.Error(err)
				return
			}
			got := make([]byte, 2)
			if _, err := io.ReadFull(conn, got); err != nil || got[0] != byte(i) || got[1] != byte(i>>8) {
				t.Errorf("connection %d got %v, %v", i, got, err)
			}
		})
	}
	all.Wait()
	if got := vm.Status().Connections; got != count {
		t.Errorf("%d connections are counted", got)
	}
	for _, conn := range conns {
		if conn != nil {
			conn.Close()
		}
	}
	until(t, "connections stay counted", func() bool { return vm.Status().Connections == 0 })
}

func TestClosingLeavesNoConnection(t *testing.T) {
	settings := settingsFor(t, 1)
	vm, machine := start(t, newWorld(nil), settings)
	ended := make(chan error, 1)
	port := listenOutside(t, func(conn *net.TCPConn) {
		_, err := conn.Read(make([]byte, 1))
		ended <- err
	})
	if _, err := dialFrom(t, machine, outside, port); err != nil {
		t.Fatal(err)
	}
	vm.SetConnected(false)
	if err := <-ended; err == nil {
		t.Error("the outside got something")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if _, err := machine.DialTCP(ctx, toStack(outside), port); err == nil {
		t.Error("a VM that is not connected reaches the outside")
	}
}
