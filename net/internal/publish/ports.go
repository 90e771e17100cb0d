package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"ember.dev/net/internal/fault"
	"ember.dev/net/internal/relay"
)

// Guest is whom ports lead to.
type Guest interface {
	// Dial connects to a port; syscall.ECONNREFUSED when nobody listens there.
	Dial(ctx context.Context, port uint16) (relay.Guest, error)
	// Exchange begins an exchange of datagrams with a port: receive gets what the guest sends, and must not keep it.
	Exchange(port uint16, receive func([]byte)) (Exchange, error)
	Gate() relay.Gate
}

// Exchange of datagrams with one port of the guest.
type Exchange interface {
	Send(payload []byte)
	Close()
}

// Port of the host that leads to one of the guest.
type Port struct {
	Protocol    string `json:"protocol"` // tcp, udp
	HostAddress string `json:"hostAddress"`
	HostPort    uint16 `json:"hostPort"`
	GuestPort   uint16 `json:"guestPort"`
}

func (p Port) String() string {
	return net.JoinHostPort(p.HostAddress, fmt.Sprint(p.HostPort)) + "/" + p.Protocol
}

// Check says what is wrong with a list of ports.
func Check(ports []Port) error {
	for _, port := range ports {
		if port.Protocol != "tcp" && port.Protocol != "udp" {
			return fmt.Errorf("'%s' is no protocol of a port", port.Protocol)
		}
		if _, err := netip.ParseAddr(port.HostAddress); err != nil {
			return fmt.Errorf("'%s' is no address of the host", port.HostAddress)
		}
		if port.HostPort == 0 || port.GuestPort == 0 {
			return errors.New("a port is between 1 and 65535")
		}
	}
	return nil
}

// Ports that lead to one guest.
type Ports struct {
	guest Guest

	mu   sync.Mutex
	open map[Port]io.Closer
}

// NewPorts has none open.
func NewPorts(guest Guest) *Ports { return &Ports{guest: guest, open: map[Port]io.Closer{}} }

// Set makes the list all that is open: those that stay are not interrupted, nor connections over any. When one cannot be
// opened, everything is as before, and the *fault.Fault names it.
func (p *Ports) Set(list []Port) error {
	if err := Check(list); err != nil {
		return fault.New(fault.Usage, "%s", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	wanted := map[Port]io.Closer{}
	var fresh []io.Closer
	for _, port := range list {
		if listener, ok := p.open[port]; ok {
			wanted[port] = listener
			continue
		}
		if wanted[port] != nil {
			continue
		}
		listener, err := p.listen(port)
		if err != nil {
			closeAll(fresh)
			return describe(port, err)
		}
		wanted[port] = listener
		fresh = append(fresh, listener)
	}
	for port, listener := range p.open {
		if wanted[port] == nil {
			listener.Close()
		}
	}
	p.open = wanted
	return nil
}

// List gives what is open.
func (p *Ports) List() []Port {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]Port, 0, len(p.open))
	for port := range p.open {
		list = append(list, port)
	}
	return list
}

// Close opens none any more.
func (p *Ports) Close() error { return p.Set(nil) }

func (p *Ports) listen(port Port) (io.Closer, error) {
	if port.Protocol == "udp" {
		return listenUDP(port, p.guest)
	}
	return listenTCP(port, p.guest)
}

func closeAll(list []io.Closer) {
	for _, one := range list {
		one.Close()
	}
}

func describe(port Port, err error) *fault.Fault {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fault.New(fault.PortTaken, "host port %s is taken by another process", port)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return fault.New(fault.PermissionDenied, "this user may not open the host port %s", port).
			With("use a port of 1024 or above")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fault.New(fault.Usage, "this host has no address %s", port.HostAddress)
	}
	return fault.New(fault.Internal, "cannot open the host port %s: %s", port, err)
}
