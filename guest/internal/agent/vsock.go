package agent

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// The net package does not know AF_VSOCK; a non-blocking socket in an os.File
// gives the same deadlines and scheduling.

const vsockBacklog = 128

type vsockAddr struct{ cid, port uint32 }

func (vsockAddr) Network() string  { return "vsock" }
func (a vsockAddr) String() string { return fmt.Sprintf("%d:%d", a.cid, a.port) }

type vsockConn struct {
	*os.File
	local, remote vsockAddr
}

func (c vsockConn) LocalAddr() net.Addr  { return c.local }
func (c vsockConn) RemoteAddr() net.Addr { return c.remote }

type vsockListener struct {
	file *os.File
	addr vsockAddr
}

func listenVsock(port uint32) (net.Listener, error) {
	fd, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	addr := vsockAddr{cid: unix.VMADDR_CID_ANY, port: port}
	err = unix.Bind(fd, &unix.SockaddrVM{CID: addr.cid, Port: addr.port})
	if err == nil {
		err = unix.Listen(fd, vsockBacklog)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return &vsockListener{file: os.NewFile(uintptr(fd), "vsock"), addr: addr}, nil
}

func (l *vsockListener) Accept() (net.Conn, error) {
	raw, err := l.file.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	var peer unix.Sockaddr
	var acceptErr error
	err = raw.Read(func(listener uintptr) bool {
		fd, peer, acceptErr = unix.Accept4(int(listener), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		return acceptErr != unix.EAGAIN && acceptErr != unix.EINTR && acceptErr != unix.ECONNABORTED
	})
	if err == nil {
		err = acceptErr
	}
	if err != nil {
		return nil, err
	}
	conn := vsockConn{File: os.NewFile(uintptr(fd), "vsock"), local: l.addr}
	if vm, ok := peer.(*unix.SockaddrVM); ok {
		conn.remote = vsockAddr{cid: vm.CID, port: vm.Port}
	}
	return conn, nil
}

func (l *vsockListener) Close() error   { return l.file.Close() }
func (l *vsockListener) Addr() net.Addr { return l.addr }
