package agent

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Sockets are made by hand for two reasons: the net package does not know
// AF_VSOCK, and its way to a listening socket takes longer than the rest of
// the agent's start under software emulation. A non-blocking socket in an
// os.File gives the same deadlines and scheduling.

const backlog = 128

// TCP probes make a connection end whose host has gone without a word.
const (
	keepAliveIdleSeconds     = 60
	keepAliveIntervalSeconds = 15
)

type address struct{ network, text string }

func (a address) Network() string { return a.network }
func (a address) String() string  { return a.text }

type conn struct {
	*os.File
	local, remote address
}

func (c conn) LocalAddr() net.Addr  { return c.local }
func (c conn) RemoteAddr() net.Addr { return c.remote }

// CloseWrite tells the peer that nothing more comes, and goes on reading.
func (c conn) CloseWrite() error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var shutdownErr error
	err = raw.Control(func(fd uintptr) { shutdownErr = unix.Shutdown(int(fd), unix.SHUT_WR) })
	return errors.Join(err, shutdownErr)
}

type listener struct {
	file *os.File
	addr address
}

func (l *listener) Close() error   { return l.file.Close() }
func (l *listener) Addr() net.Addr { return l.addr }

func (l *listener) Accept() (net.Conn, error) {
	raw, err := l.file.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	var peer unix.Sockaddr
	var acceptErr error
	err = raw.Read(func(listening uintptr) bool {
		fd, peer, acceptErr = unix.Accept4(int(listening), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		return acceptErr != unix.EAGAIN && acceptErr != unix.EINTR && acceptErr != unix.ECONNABORTED
	})
	if err == nil {
		err = acceptErr
	}
	if err != nil {
		return nil, err
	}
	return conn{os.NewFile(uintptr(fd), l.addr.network), l.addr, peerAddress(fd, peer)}, nil
}

// peerAddress names the peer; for TCP it also sets the options that net.Listen would have set.
func peerAddress(fd int, peer unix.Sockaddr) address {
	switch p := peer.(type) {
	case *unix.SockaddrVM:
		return address{"vsock", fmt.Sprintf("%d:%d", p.CID, p.Port)}
	case *unix.SockaddrInet4, *unix.SockaddrInet6:
		// Best effort, as everywhere: a connection works without them.
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, keepAliveIdleSeconds)
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, keepAliveIntervalSeconds)
	}
	return address{"tcp", "peer"}
}

func listenVsock(port uint32) (net.Listener, error) {
	// Asking for a socket would make a kernel without vsock run the image's modprobe.
	if _, err := os.Stat("/dev/vsock"); err != nil {
		return nil, unix.EAFNOSUPPORT
	}
	return listenSocket(unix.AF_VSOCK, &unix.SockaddrVM{CID: unix.VMADDR_CID_ANY, Port: port},
		address{"vsock", fmt.Sprint(port)})
}

// listenTCP listens on IPv6 and IPv4, or on IPv4 alone where the kernel has no IPv6.
func listenTCP(port uint32) (net.Listener, error) {
	addr := address{"tcp", fmt.Sprint(port)}
	both, err := listenSocket(unix.AF_INET6, &unix.SockaddrInet6{Port: int(port)}, addr)
	if err == nil {
		return both, nil
	}
	return listenSocket(unix.AF_INET, &unix.SockaddrInet4{Port: int(port)}, addr)
}

func listenSocket(family int, local unix.Sockaddr, addr address) (net.Listener, error) {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) // matters to TCP alone
	if family == unix.AF_INET6 {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0) // usually so already
	}
	if err = unix.Bind(fd, local); err == nil {
		err = unix.Listen(fd, backlog)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("listen", err)
	}
	return &listener{file: os.NewFile(uintptr(fd), addr.network), addr: addr}, nil
}
