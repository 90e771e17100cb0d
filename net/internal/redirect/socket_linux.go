package redirect

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// errDirect: the connection was made to our own address, not redirected to it.
var errDirect = errors.New("the connection was not redirected")

// onDevice makes sockets that hear nothing but what comes in by one interface.
func onDevice(device string) *net.ListenConfig {
	return &net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failure error
		err := raw.Control(func(fd uintptr) { failure = unix.BindToDevice(int(fd), device) })
		return errors.Join(err, failure)
	}}
}

func listenTCP(ctx context.Context, device string, at netip.AddrPort) (*net.TCPListener, error) {
	listener, err := onDevice(device).Listen(ctx, "tcp4", at.String())
	if err != nil {
		return nil, err
	}
	return listener.(*net.TCPListener), nil
}

func listenUDP(ctx context.Context, device string, at netip.AddrPort) (*net.UDPConn, error) {
	conn, err := onDevice(device).ListenPacket(ctx, "udp4", at.String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// originalDestination is where a connection was going before the firewall redirected it here.
func originalDestination(conn *net.TCPConn) (netip.AddrPort, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return netip.AddrPort{}, err
	}
	var answer *unix.IPv6Mreq // has room for a sockaddr_in: family, port and address, in this order
	var failure error
	if err := raw.Control(func(fd uintptr) {
		answer, failure = unix.GetsockoptIPv6Mreq(int(fd), unix.IPPROTO_IP, unix.SO_ORIGINAL_DST)
	}); err != nil {
		return netip.AddrPort{}, err
	}
	if errors.Is(failure, unix.ENOENT) {
		return netip.AddrPort{}, errDirect
	}
	if failure != nil {
		return netip.AddrPort{}, failure
	}
	address := netip.AddrFrom4([4]byte(answer.Multiaddr[4:8]))
	destination := netip.AddrPortFrom(address, binary.BigEndian.Uint16(answer.Multiaddr[2:]))
	if destination == conn.LocalAddr().(*net.TCPAddr).AddrPort() {
		return netip.AddrPort{}, errDirect
	}
	return destination, nil
}
