package names

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// HostServer answers the host itself, at its loopback, for Zone alone: for a resolver file that names it.
type HostServer struct {
	datagrams *net.UDPConn
	listener  *net.TCPListener
}

// ServeHost opens a port of the loopback until Close.
func ServeHost(port uint16, resolver *Resolver) (*HostServer, error) {
	at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
	datagrams, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	listener, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(at))
	if err != nil {
		datagrams.Close()
		return nil, err
	}
	h := &HostServer{datagrams: datagrams, listener: listener}
	go h.serveDatagrams(resolver)
	go h.serveStreams(resolver)
	return h, nil
}

// Port that is served.
func (h *HostServer) Port() uint16 { return h.datagrams.LocalAddr().(*net.UDPAddr).AddrPort().Port() }

// Close opens nothing any more.
func (h *HostServer) Close() {
	h.datagrams.Close()
	h.listener.Close()
}

func (h *HostServer) serveDatagrams(resolver *Resolver) {
	space := make([]byte, dns.MaxMsgSize)
	for {
		n, from, err := h.datagrams.ReadFromUDPAddrPort(space)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if answer := resolver.answerHost(space[:n], dns.MinMsgSize); answer != nil {
			_, _ = h.datagrams.WriteToUDPAddrPort(answer, from) // it asks again
		}
	}
}

func (h *HostServer) serveStreams(resolver *Resolver) {
	for {
		conn, err := h.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		go func() {
			defer conn.Close()
			serveStream(conn, func(message []byte) []byte { return resolver.answerHost(message, dns.MaxMsgSize) })
		}()
	}
}

// answerHost knows no names besides the VMs': all others the host's own resolvers know. They lead to the loopback, where
// ports are published and forwarded: the host does not reach guests at their addresses.
func (r *Resolver) answerHost(message []byte, limit int) []byte {
	return answerBy(message, limit, func(question *dns.Msg) *dns.Msg {
		answer := r.own.answer(question)
		if answer == nil {
			return failed(question, dns.RcodeRefused)
		}
		var kept []dns.RR
		for _, record := range answer.Answer {
			switch record := record.(type) {
			case *dns.A:
				record.A = net.IPv4(127, 0, 0, 1)
			case *dns.AAAA:
				continue // nothing is published there unless somebody says so
			}
			kept = append(kept, record)
		}
		answer.Answer = kept
		return answer
	})
}

// Answer gives the answer to a message of a guest, at most limit bytes long; nil when there is none to give.
func (r *Resolver) Answer(ctx context.Context, message []byte, limit int, asker Asker) []byte {
	return answerBy(message, limit, func(question *dns.Msg) *dns.Msg { return r.answer(ctx, question, asker) })
}
