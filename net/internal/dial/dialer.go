package dial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

const (
	// connectTimeout is longer than a guest's own patience with the first packets of a connection.
	connectTimeout = 75 * time.Second
	keepAliveIdle  = 2 * time.Minute
)

// ErrSelf: the connection has reached this host itself, whatever its address is.
var ErrSelf = errors.New("the address is this host's own")

// Checker refuses addresses: the contract.
type Checker interface {
	Check(netip.Addr) error
}

// Dialer opens connections by the contract.
type Dialer struct {
	guard Checker
	proxy proxySettings
}

// New makes a dialer without a proxy.
func New(guard Checker) *Dialer { return &Dialer{guard: guard} }

// TCP connects to destination, or by name through a proxy where one is set for it. It returns a *guard.Refusal, ErrSelf,
// or the system's error.
func (d *Dialer) TCP(ctx context.Context, name string, destination netip.AddrPort) (net.Conn, error) {
	if proxy := d.proxy.forHost(name, destination); proxy != nil {
		return proxy.connect(ctx, name, destination)
	}
	if err := d.guard.Check(destination.Addr()); err != nil {
		return nil, err
	}
	dialer := net.Dialer{
		Timeout:         connectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: keepAliveIdle},
	}
	conn, err := dialer.DialTCP(ctx, "tcp", netip.AddrPort{}, destination)
	if err != nil {
		return nil, err
	}
	if err := checkSelf(conn.LocalAddr(), destination); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// UDP makes a socket that exchanges datagrams with destination alone. Errors as those of TCP.
func (d *Dialer) UDP(destination netip.AddrPort) (*net.UDPConn, error) {
	if err := d.guard.Check(destination.Addr()); err != nil {
		return nil, err
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(destination))
	if err != nil {
		return nil, err
	}
	if err := checkSelf(conn.LocalAddr(), destination); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// checkSelf catches addresses of the host that came up after the check: the system gives both ends the same one.
func checkSelf(local net.Addr, remote netip.AddrPort) error {
	var address netip.AddrPort
	switch local := local.(type) {
	case *net.TCPAddr:
		address = local.AddrPort()
	case *net.UDPAddr:
		address = local.AddrPort()
	default:
		return fmt.Errorf("a socket's own address has an unknown form: %v", local)
	}
	if address.Addr().Unmap() == remote.Addr().Unmap() || address.Addr().IsLoopback() {
		return ErrSelf
	}
	return nil
}
