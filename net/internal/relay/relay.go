// Package relay moves what two connections say to each other: one with a guest, one of the host's sockets.
//
// While both are ordinary, bytes go from a packet of the guest straight into the socket, and from the socket into a
// packet: nothing is kept for a connection that has nothing to say.
package relay

import (
	"context"
	"io"
	"net"
	"sync"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"
)

// Guest is a connection with a guest.
type Guest interface {
	net.Conn
	CloseWrite() error
	// Reset ends it with an RST.
	Reset()
	// Endpoint gives what the stack has for it, to read and write without copies.
	Endpoint() (tcpip.Endpoint, *waiter.Queue)
	// SegmentSize of what goes to the guest, bytes.
	SegmentSize() int
}

// Gate holds back what would only wait further on.
type Gate interface {
	WaitForRoom(ctx context.Context) error
}

// Run returns when both directions have ended, each as its sender ended it, or either was reset, or ctx ended: then
// both are reset. It closes both.
func Run(ctx context.Context, guest Guest, outside net.Conn, gate Gate) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer outside.Close()
	defer guest.Close()
	abort := sync.OnceFunc(func() {
		cancel()
		guest.Reset()
		reset(outside)
	})
	stop := context.AfterFunc(ctx, abort) // wakes those who wait for a socket
	defer stop()
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		if toOutside(ctx, guest, outside) != nil {
			abort()
		}
	}()
	if toGuest(ctx, guest, outside, gate) != nil {
		abort()
	}
	<-returned
}

func toOutside(ctx context.Context, guest Guest, outside net.Conn) error {
	var err error
	if socket := asSocket(outside); socket != nil {
		err = sendFromStack(ctx, guest, socket)
	} else {
		_, err = io.Copy(outside, guest)
	}
	if err == nil {
		err = closeWrite(outside)
	}
	return err
}

func toGuest(ctx context.Context, guest Guest, outside net.Conn, gate Gate) error {
	var err error
	if socket := asSocket(outside); socket != nil {
		err = receiveIntoStack(ctx, guest, socket, gate)
	} else {
		_, err = io.Copy(guest, outside)
	}
	if err == nil {
		err = guest.CloseWrite()
	}
	return err
}

// asSocket gives the socket that a connection is and nothing else; nil when bytes are changed on the way.
func asSocket(conn net.Conn) syscall.Conn {
	switch conn := conn.(type) {
	case *net.TCPConn:
		return conn
	case *net.UnixConn:
		return conn
	}
	return nil
}

func closeWrite(conn net.Conn) error {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return conn.Close()
}

// reset ends a connection so that its peer sees that it was cut off.
func reset(conn net.Conn) {
	if socket, ok := conn.(*net.TCPConn); ok {
		_ = socket.SetLinger(0) // it only says how the close below looks
	}
	conn.Close()
}
