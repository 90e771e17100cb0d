package dial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

const (
	// connectTimeout is longer than a guest's own patience with the first packets of a connection.
	connectTimeout = 75 * time.Second
)

// keepAlive holds the way through routers open while nothing is said.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 2 * time.Minute}

// ErrSelf: the connection has reached this host itself, whatever its address is.
var ErrSelf = errors.New("the address is this host's own")

// Checker refuses addresses: the contract.
type Checker interface {
	Check(netip.Addr) error
}

// Names says which name an address stands for, where the host's resolvers know no address.
type Names interface {
	NameOf(netip.Addr) (name string, is bool)
}

// Dialer opens connections by the contract.
type Dialer struct {
	guard   Checker
	names   Names
	proxies proxies
	lookup  func(ctx context.Context, name string) ([]netip.Addr, error)
}

// New makes a dialer without a proxy.
func New(guard Checker, names Names) *Dialer {
	return &Dialer{guard: guard, names: names, lookup: func(ctx context.Context, name string) ([]netip.Addr, error) {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	}}
}

// SetProxy replaces the settings of the proxy for connections to come.
func (d *Dialer) SetProxy(settings Proxy) error { return d.proxies.set(settings) }

// ProxyFor says whether there is a proxy to connect to a name by.
func (d *Dialer) ProxyFor(name string) bool { return d.proxies.forHost(name, portHTTPS) != nil }

// TCP connects to destination, through a proxy where one is set for it. It returns a *guard.Refusal, ErrSelf, a
// *ProxyError, or the system's error. name is not asked again: a proxy might find another address by it than the one
// that the contract was asked about.
func (d *Dialer) TCP(ctx context.Context, _ string, destination netip.AddrPort) (net.Conn, error) {
	if name, ok := d.names.NameOf(destination.Addr()); ok {
		return d.byName(ctx, name, destination.Port())
	}
	if err := d.guard.Check(destination.Addr()); err != nil {
		return nil, err
	}
	if proxy := d.proxies.forAddress(destination); proxy != nil {
		return connect(ctx, proxy, destination.String())
	}
	dialer := net.Dialer{Timeout: connectTimeout, KeepAliveConfig: keepAlive}
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

// byName lets the proxy find the address. What the host finds by the name nevertheless, in its own files above all, must
// be allowed: a proxy on this very host would find the same.
func (d *Dialer) byName(ctx context.Context, name string, port uint16) (net.Conn, error) {
	proxy := d.proxies.forHost(name, port)
	if proxy == nil {
		return nil, syscall.EHOSTUNREACH
	}
	if found, err := d.lookup(ctx, name); err == nil {
		for _, address := range found {
			if err := d.guard.Check(address.Unmap()); err != nil {
				return nil, err
			}
		}
	}
	return connect(ctx, proxy, hostPort(name, port))
}

// UDP makes a socket that exchanges datagrams with destination alone. Errors as those of TCP.
func (d *Dialer) UDP(destination netip.AddrPort) (*net.UDPConn, error) {
	if _, ok := d.names.NameOf(destination.Addr()); ok {
		return nil, syscall.EHOSTUNREACH // a proxy passes no datagrams
	}
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
