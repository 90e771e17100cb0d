//go:build !linux

package redirect

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

func listenTCP(context.Context, string, netip.AddrPort) (*net.TCPListener, error) {
	return nil, errors.ErrUnsupported
}

func listenUDP(context.Context, string, netip.AddrPort) (*net.UDPConn, error) {
	return nil, errors.ErrUnsupported
}

func originalDestination(*net.TCPConn) (netip.AddrPort, error) {
	return netip.AddrPort{}, errors.ErrUnsupported
}
