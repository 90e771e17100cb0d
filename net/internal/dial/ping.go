package dial

import (
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Pinger sends echo requests to one address, by a socket that the system gives the answers to its own requests alone. It
// may need the system's leave: net.ipv4.ping_group_range on Linux.
type Pinger struct {
	conn  *icmp.PacketConn
	guard Checker
	to    netip.Addr
	space []byte
}

// Ping makes a Pinger. Errors as those of TCP.
func (d *Dialer) Ping(to netip.Addr) (*Pinger, error) {
	if _, ok := d.names.NameOf(to); ok {
		return nil, syscall.EHOSTUNREACH
	}
	if err := d.guard.Check(to); err != nil {
		return nil, err
	}
	network, local := "udp4", "0.0.0.0"
	if to.Is6() {
		network, local = "udp6", "::"
	}
	conn, err := icmp.ListenPacket(network, local)
	if err != nil {
		return nil, err
	}
	return &Pinger{conn: conn, guard: d.guard, to: to, space: make([]byte, 65536)}, nil
}

// Ping sends one request. The address may have become the host's since the last.
func (p *Pinger) Ping(sequence uint16, payload []byte) error {
	if err := p.guard.Check(p.to); err != nil {
		return err
	}
	message := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{Seq: int(sequence), Data: payload}}
	if p.to.Is6() {
		message.Type = ipv6.ICMPTypeEchoRequest
	}
	bytes, err := message.Marshal(nil)
	if err != nil {
		return err
	}
	_, err = p.conn.WriteTo(bytes, net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.to, 0)))
	return err
}

// Receive waits for an answer of the pinged address until deadline.
func (p *Pinger) Receive(deadline time.Time) (uint16, []byte, error) {
	if err := p.conn.SetReadDeadline(deadline); err != nil {
		return 0, nil, err
	}
	for {
		n, from, err := p.conn.ReadFrom(p.space)
		if err != nil {
			return 0, nil, err
		}
		protocol := ipv4.ICMPTypeEcho.Protocol()
		if p.to.Is6() {
			protocol = ipv6.ICMPTypeEchoRequest.Protocol()
		}
		message, err := icmp.ParseMessage(protocol, p.space[:n])
		if err != nil || message.Type != ipv4.ICMPTypeEchoReply && message.Type != ipv6.ICMPTypeEchoReply {
			continue
		}
		body, ok := message.Body.(*icmp.Echo)
		sender, isUDP := from.(*net.UDPAddr)
		if ok && isUDP && sender.AddrPort().Addr().Unmap() == p.to {
			return uint16(body.Seq), body.Data, nil
		}
	}
}

// Close ends it.
func (p *Pinger) Close() error { return p.conn.Close() }
