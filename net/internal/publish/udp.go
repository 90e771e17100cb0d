package publish

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// clientIdle is how long a client may be silent before its next datagram comes from another port of the gateway.
	clientIdle = 3 * time.Minute
	// maxClients of one port at a time; the datagrams of more are lost.
	maxClients = 4096
	// largestDatagram, bytes.
	largestDatagram = 65507
)

type udpPort struct {
	conn  *net.UDPConn
	guest Guest
	port  uint16

	mu      sync.Mutex
	clients map[netip.AddrPort]*client
}

type client struct {
	exchange Exchange
	expiry   *time.Timer
}

func listenUDP(port Port, guest Guest) (io.Closer, error) {
	address, err := netip.ParseAddr(port.HostAddress)
	if err != nil {
		return nil, err
	}
	network := "udp4"
	if address.Is6() {
		network = "udp6"
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(address, port.HostPort)))
	if err != nil {
		return nil, err
	}
	open := &udpPort{conn: conn, guest: guest, port: port.GuestPort, clients: map[netip.AddrPort]*client{}}
	go open.serve()
	return conn, nil
}

func (p *udpPort) serve() {
	defer p.endAll()
	space := make([]byte, largestDatagram+1)
	for {
		n, from, err := p.conn.ReadFromUDPAddrPort(space)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // a client's port was closed: others go on
		}
		if exchange := p.exchangeOf(from); exchange != nil {
			exchange.Send(space[:n])
		}
	}
}

func (p *udpPort) exchangeOf(from netip.AddrPort) Exchange {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.clients[from]; known != nil {
		known.expiry.Reset(clientIdle)
		return known.exchange
	}
	if len(p.clients) >= maxClients {
		return nil
	}
	exchange, err := p.guest.Exchange(p.port, func(payload []byte) {
		_, _ = p.conn.WriteToUDPAddrPort(payload, from) // lost, as on any way
	})
	if err != nil {
		return nil
	}
	p.clients[from] = &client{exchange: exchange, expiry: time.AfterFunc(clientIdle, func() { p.end(from) })}
	return exchange
}

func (p *udpPort) end(from netip.AddrPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.clients[from]; known != nil {
		delete(p.clients, from)
		known.expiry.Stop()
		known.exchange.Close()
	}
}

func (p *udpPort) endAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for from, known := range p.clients {
		delete(p.clients, from)
		known.expiry.Stop()
		known.exchange.Close()
	}
}
