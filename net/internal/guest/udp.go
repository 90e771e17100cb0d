package guest

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"ember.dev/net/internal/icmp"
	"ember.dev/net/internal/policy"
)

const (
	// maxQuestions to the resolver that are open at a time.
	maxQuestions = 512
	// waitingDatagrams of a flow are kept until it is known whether it may go on.
	waitingDatagrams = 16
	datagramIdle     = 3 * time.Minute
	// questionIdle is for the port of DNS: one answer, and the flow is over.
	questionIdle = 20 * time.Second
)

// datagrams is a guest's exchange of datagrams with one address.
type datagrams struct {
	flow
	id      stack.TransportEndpointID
	lastUse atomic.Int64 // Unix time, ns

	mu      sync.Mutex
	conn    *net.UDPConn
	raw     syscall.RawConn
	waiting [][]byte
	ended   bool
}

// serveUDP takes all datagrams of the guest, whole ones: the stack has put fragments together.
func (vm *VM) serveUDP() {
	vm.stack.SetTransportProtocolHandler(udp.ProtocolNumber, vm.receiveDatagram)
}

func (vm *VM) receiveDatagram(id stack.TransportEndpointID, packet *stack.PacketBuffer) bool {
	_, destination := endsOf(id)
	payload := packet.Data().AsRange().ToSlice()
	if vm.isGateway(destination.Addr()) {
		if vm.arrive(id, payload) {
			return true
		}
		isResolver := destination.Addr() == vm.addresses.Resolver || destination.Addr() == vm.addresses.Resolver6
		if !isResolver || destination.Port() != dnsPort || !vm.connected.Load() {
			vm.undeliverable(id, icmp.PortUnreachable)
			return true
		}
		vm.ask(id, payload)
		return true
	}
	exchange, fresh := vm.exchanges.find(vm, id, destination)
	if exchange == nil {
		return true
	}
	exchange.lastUse.Store(time.Now().UnixNano())
	exchange.send(vm, payload)
	if fresh {
		go vm.exchange(exchange)
	}
	return true
}

// exchange goes on until the flow was silent for long, or was refused.
func (vm *VM) exchange(d *datagrams) {
	defer func() {
		vm.exchanges.remove(vm, d)
		d.close()
	}()
	decision := vm.admit("udp", d.destination)
	if decision.Verdict != policy.Allow {
		vm.undeliverable(d.id, icmp.Prohibited)
		return
	}
	hold, decision := vm.hold(&d.flow)
	if hold == nil {
		vm.undeliverable(d.id, icmp.Prohibited)
		return
	}
	defer hold.Release()
	conn, err := vm.dialer.UDP(d.destination)
	if err != nil {
		vm.undeliverable(d.id, reasonOf(err))
		return
	}
	vm.note("udp", d.destination, decision)
	if err := d.begin(vm, conn); err != nil {
		return
	}
	vm.returnDatagrams(d, conn)
}

func reasonOf(err error) icmp.Reason {
	switch {
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EHOSTDOWN):
		return icmp.HostUnreachable
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT):
		return icmp.NetworkUnreachable
	case errors.Is(err, syscall.ECONNREFUSED):
		return icmp.PortUnreachable
	}
	return icmp.Prohibited
}

// begin sends what has waited.
func (d *datagrams) begin(vm *VM, conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		conn.Close()
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		conn.Close()
		return net.ErrClosed
	}
	d.conn, d.raw = conn, raw
	for _, payload := range d.waiting {
		d.write(vm, payload)
	}
	d.waiting = nil
	return nil
}

func (d *datagrams) send(vm *VM, payload []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.ended:
	case d.conn != nil:
		d.write(vm, payload)
	case len(d.waiting) < waitingDatagrams:
		d.waiting = append(d.waiting, payload)
	}
}

// write is called with mu held. It never waits: what the host has no room for is lost, as on any way.
func (d *datagrams) write(vm *VM, payload []byte) {
	var failure error
	err := d.raw.Write(func(fd uintptr) bool {
		_, failure = syscall.Write(int(fd), payload)
		return true
	})
	if err == nil && failure == syscall.ECONNREFUSED {
		vm.undeliverable(d.id, icmp.PortUnreachable)
	}
}

// close ends the exchange; returnDatagrams notices.
func (d *datagrams) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	if d.conn != nil {
		d.conn.Close()
	}
}

// idle says how long the flow may be silent.
func (d *datagrams) idle() time.Duration {
	if d.destination.Port() == dnsPort {
		return questionIdle
	}
	return datagramIdle
}

// sendDatagram sends one to the guest under the name of the flow's other end.
func (vm *VM) sendDatagram(id stack.TransportEndpointID, payload []byte) {
	protocol := header.IPv4ProtocolNumber
	if id.LocalAddress.Len() == header.IPv6AddressSize {
		protocol = header.IPv6ProtocolNumber
	}
	path, err := vm.stack.FindRoute(nic, id.LocalAddress, id.RemoteAddress, protocol, false)
	if err != nil {
		return
	}
	defer path.Release()
	packet := newDatagram(id, payload, path)
	defer packet.DecRef()
	// What the guest cannot be sent is lost, as on any way.
	_ = path.WritePacket(stack.NetworkHeaderParams{Protocol: header.UDPProtocolNumber, TTL: path.DefaultTTL()}, packet)
}
