// Package publish leads connections of the host to the guest's own services,
// where the network forwards no ports: the hypervisor listens on the host and
// passes what comes on over vsock.
//
// The host says "tcp PORT" or "udp PORT" on one line and is answered "OK", or
// "NO" and the reason. Both ways, pieces follow: two bytes of length (big
// endian), and so many bytes. For udp each is a datagram; for tcp, one of no
// length ends what its side says. "stop" turns the guest off in order: not
// every kernel hears the virtual machine's power button.
package publish

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

const stopRequest = "stop"

const (
	// Each takes two descriptors, and the agent may have 1024 (internal/boot): it must go on serving commands.
	mostConnections = 448
	lineLimit       = 32
	requestTimeout  = 10 * time.Second
	dialTimeout     = 10 * time.Second
	acceptPause     = 50 * time.Millisecond
	// As long as routers remember a UDP client (RFC 4787 asks for two minutes, most keep a half or one).
	idleTimeout = 60 * time.Second
)

// hostPrefix begins the address of a peer that is the host (VMADDR_CID_HOST, vsock(7)).
const hostPrefix = "2:"

// Server accepts connections of the host alone.
type Server struct {
	// Address is where the guest's services listen: not loopback, when it has a
	// network, so that what listens on loopback only stays the guest's own.
	Address netip.Addr

	powerOff func()
	slots    chan struct{}
}

// New makes a server for a guest with that address; an invalid one stands for
// a guest without a network. powerOff returns when the guest is going down.
func New(address netip.Addr, powerOff func()) *Server {
	if !address.IsValid() {
		address = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return &Server{Address: address, powerOff: powerOff, slots: make(chan struct{}, mostConnections)}
}

// Serve returns when the listener is closed.
func (s *Server) Serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(acceptPause) // there is no room for one more, at this moment
			continue
		}
		if !strings.HasPrefix(conn.RemoteAddr().String(), hostPrefix) {
			_ = conn.Close() // a program of the guest
			continue
		}
		go s.handle(conn)
	}
}

func (s *Server) handle(host net.Conn) {
	defer host.Close() //nolint:errcheck // both ways have ended
	_ = host.SetDeadline(time.Now().Add(requestTimeout))
	network, port, err := readRequest(host)
	if err != nil {
		refuse(host, err)
		return
	}
	if network == stopRequest {
		_, _ = io.WriteString(host, "OK\n") // it learns of the end in any case
		_ = host.Close()
		s.powerOff()
		return
	}
	select {
	case s.slots <- struct{}{}:
		s.lead(host, network, port)
		<-s.slots
	default:
		refuse(host, fmt.Errorf("%d connections are open already", mostConnections))
	}
}

func (s *Server) lead(host net.Conn, network string, port uint16) {
	target := netip.AddrPortFrom(s.Address, port).String()
	service, err := net.DialTimeout(network, target, dialTimeout)
	_ = host.SetDeadline(time.Now().Add(requestTimeout)) // for the answer, however long that took
	if err != nil {
		refuse(host, err)
		return
	}
	defer service.Close() //nolint:errcheck // both ways have ended
	if _, err := io.WriteString(host, "OK\n"); err != nil {
		return
	}
	_ = host.SetDeadline(time.Time{})
	if network == "udp" {
		passDatagrams(host, service)
		return
	}
	passBytes(host, service)
}

func refuse(host net.Conn, reason error) {
	_, _ = fmt.Fprintf(host, "NO %s\n", strings.ReplaceAll(reason.Error(), "\n", " ")) // it may have gone
}

// readRequest reads byte by byte: what follows the line belongs to the service.
func readRequest(host io.Reader) (network string, port uint16, err error) {
	var line []byte
	for one := make([]byte, 1); ; {
		if _, err := io.ReadFull(host, one); err != nil {
			return "", 0, err
		}
		if one[0] == '\n' {
			break
		}
		if line = append(line, one[0]); len(line) > lineLimit {
			return "", 0, fmt.Errorf("the request is too long")
		}
	}
	if string(line) == stopRequest {
		return stopRequest, 0, nil
	}
	network, number, _ := strings.Cut(string(line), " ")
	parsed, err := strconv.ParseUint(number, 10, 16)
	if (network != "tcp" && network != "udp") || err != nil || parsed == 0 {
		return "", 0, fmt.Errorf("%q is no request", line)
	}
	return network, uint16(parsed), nil
}
