package publish

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/netip"
	"time"

	"ember.dev/net/internal/relay"
)

const (
	// dialTimeout for a guest that does not answer at all.
	dialTimeout = 10 * time.Second
	// acceptPause after the system had no room for a connection.
	acceptPause = 50 * time.Millisecond
)

type tcpPort struct {
	listener *net.TCPListener
	guest    Guest
	port     uint16
}

func listenTCP(port Port, guest Guest) (io.Closer, error) {
	address, err := netip.ParseAddr(port.HostAddress)
	if err != nil {
		return nil, err
	}
	network := "tcp4"
	if address.Is6() {
		network = "tcp6"
	}
	listener, err := net.ListenTCP(network, net.TCPAddrFromAddrPort(netip.AddrPortFrom(address, port.HostPort)))
	if err != nil {
		return nil, err
	}
	open := &tcpPort{listener: listener, guest: guest, port: port.GuestPort}
	go open.serve()
	return listener, nil
}

func (p *tcpPort) serve() {
	for {
		conn, err := p.listener.AcceptTCP()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			log.Printf("a published port: %v", err)
			time.Sleep(acceptPause)
		default:
			go p.lead(conn)
		}
	}
}

// lead connects to the guest; a client learns by a reset that nobody is there.
func (p *tcpPort) lead(conn *net.TCPConn) {
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	guest, err := p.guest.Dial(ctx, p.port)
	cancel()
	if err != nil {
		_ = conn.SetLinger(0) // it only says how the close looks
		return
	}
	relay.Run(context.Background(), guest, conn, p.guest.Gate())
}
