package redirect

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"ember.dev/net/internal/guard"
	"ember.dev/net/internal/inspect"
	"ember.dev/net/internal/intercept"
	"ember.dev/net/internal/names"
	"ember.dev/net/internal/policy"
	"ember.dev/net/internal/record"
)

// maxConnections of a VM at a time, as for VMs whose packets ember-net carries; more are reset.
const maxConnections = 8192

// Settings say where a VM's connections are redirected to.
type Settings struct {
	// Device is the host's end of the VM's cable. What comes in elsewhere is not heard.
	Device string
	// Address is the host's, on the device.
	Address netip.Addr
	// Guest is the only address that connections may come from.
	Guest netip.Addr
	// TCPPort and DNSPort at the address; 0 is any that is free: see Ports.
	TCPPort, DNSPort uint16
	// Answers is the file of what the resolver answered before, "" for none.
	Answers string
}

// Surroundings are what the VMs of an installation share.
type Surroundings struct {
	Guard    *guard.Guard
	Dial     func(ctx context.Context, name string, destination netip.AddrPort) (net.Conn, error)
	Resolver *names.Resolver
}

// VM is one VM's sockets.
type VM struct {
	settings  Settings
	around    Surroundings
	engine    *policy.Engine
	recorder  inspect.Recorder
	intercept intercept.Slot

	connections, questions atomic.Int64

	tcp, dnsTCP *net.TCPListener
	dnsUDP      *net.UDPConn
	ctx         context.Context
	cancel      context.CancelFunc
	serving     sync.WaitGroup

	mu sync.Mutex
	// joined is for connections: it is done while the VM is not connected.
	joined context.Context
	part   context.CancelFunc
}

// New listens. When any socket cannot be had, none is left open. Only Linux redirects: elsewhere errors.ErrUnsupported.
func New(settings Settings, around Surroundings, p policy.Policy, recorder inspect.Recorder) (*VM, error) {
	vm := &VM{settings: settings, around: around, engine: policy.Resume(p, settings.Answers), recorder: recorder}
	vm.ctx, vm.cancel = context.WithCancel(context.Background())
	vm.SetConnected(true)
	if err := vm.listen(); err != nil {
		vm.Close()
		return nil, fmt.Errorf("listen on %s: %w", settings.Device, err)
	}
	vm.serving.Go(func() { vm.accept(vm.tcp, vm.serve) })
	vm.serving.Go(func() { vm.accept(vm.dnsTCP, vm.serveDNS) })
	vm.serving.Go(vm.answerDatagrams)
	return vm, nil
}

func (vm *VM) listen() (err error) {
	at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(vm.settings.Address, port) }
	if vm.tcp, err = listenTCP(vm.ctx, vm.settings.Device, at(vm.settings.TCPPort)); err != nil {
		return err
	}
	if vm.dnsTCP, err = listenTCP(vm.ctx, vm.settings.Device, at(vm.settings.DNSPort)); err != nil {
		return err
	}
	_, dns := vm.Ports() // one port for both protocols, so that the firewall has one rule
	vm.dnsUDP, err = listenUDP(vm.ctx, vm.settings.Device, at(dns))
	return err
}

// Ports are where the firewall is to redirect TCP, and questions by UDP and TCP, to.
func (vm *VM) Ports() (tcp, dns uint16) {
	port := func(listener *net.TCPListener) uint16 { return uint16(listener.Addr().(*net.TCPAddr).Port) }
	return port(vm.tcp), port(vm.dnsTCP)
}

// Address is the host's, on the VM's cable.
func (vm *VM) Address() netip.Addr { return vm.settings.Address }

// SetConnected joins the VM to the outside, or ends all that goes there. It begins connected.
func (vm *VM) SetConnected(connected bool) {
	vm.mu.Lock()
	defer vm.mu.Unlock()
	switch {
	case !connected:
		vm.part()
	case vm.joined == nil || vm.joined.Err() != nil:
		vm.joined, vm.part = context.WithCancel(vm.ctx)
	}
}

// whileConnected is done once the VM is not connected.
func (vm *VM) whileConnected() context.Context {
	vm.mu.Lock()
	defer vm.mu.Unlock()
	return vm.joined
}

// SetPolicy replaces the policy; connections that it does not allow end.
func (vm *VM) SetPolicy(p policy.Policy) { vm.engine.Replace(p) }

// SaveAnswers writes to path what the resolver answered: see policy.Engine.
func (vm *VM) SaveAnswers(path string) error { return vm.engine.SaveAnswers(path) }

// SetSecrets replaces what is put in place on the way to some hosts: see intercept.Slot.
func (vm *VM) SetSecrets(authority *intercept.Authority, secrets []intercept.Secret) error {
	return vm.intercept.Set(authority, secrets)
}

// Connections is how many there are.
func (vm *VM) Connections() int { return int(vm.connections.Load()) }

// Close ends all connections and leaves no socket.
func (vm *VM) Close() {
	vm.cancel()
	for _, listener := range []*net.TCPListener{vm.tcp, vm.dnsTCP} {
		if listener != nil {
			_ = listener.Close() // it cannot be open any more
		}
	}
	if vm.dnsUDP != nil {
		_ = vm.dnsUDP.Close()
	}
	vm.serving.Wait()
}

// accept serves what comes from the guest's own address, until the listener is closed.
func (vm *VM) accept(listener *net.TCPListener, serve func(context.Context, socket)) {
	for {
		conn, err := listener.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // the connection has failed, not the listener
		}
		guest := socket{conn}
		if !vm.isGuest(conn.RemoteAddr().(*net.TCPAddr).AddrPort()) || vm.connections.Load() >= maxConnections {
			guest.Reset()
			continue
		}
		vm.connections.Add(1)
		vm.serving.Go(func() {
			defer vm.connections.Add(-1)
			defer guest.Close()
			serve(vm.whileConnected(), guest)
		})
	}
}

// isGuest says whether something comes from the VM, while it is connected.
func (vm *VM) isGuest(from netip.AddrPort) bool {
	return from.Addr().Unmap() == vm.settings.Guest && vm.whileConnected().Err() == nil
}

func (vm *VM) serve(ctx context.Context, guest socket) {
	destination, err := originalDestination(guest.TCPConn)
	if err != nil {
		guest.Reset()
		return
	}
	if err := vm.around.Guard.Check(destination.Addr()); err != nil {
		refusal := guard.Decision(err)
		if known := vm.engine.NamesOf(destination.Addr()); len(known) > 0 {
			refusal.Name = known[0]
		}
		vm.refuse(guest, destination, refusal)
		return
	}
	view := vm.inspection()
	switch decision := vm.engine.Admit(policy.TCP, destination); {
	case decision.Verdict == policy.Refuse:
		vm.refuse(guest, destination, decision)
	case decision.Verdict == policy.Inspect || view.Interests(destination):
		inspect.Serve(ctx, guest, destination, view)
	default:
		inspect.Pass(ctx, guest, destination, view)
	}
}

func (vm *VM) refuse(guest socket, destination netip.AddrPort, decision policy.Decision) {
	vm.recorder.Note(record.FlowOf(policy.TCP, policy.Answer, decision, destination.Addr().String(), destination.Port()))
	guest.Reset()
}

func (vm *VM) inspection() *inspect.VM {
	view := &inspect.VM{Engine: vm.engine, Dial: vm.around.Dial, Record: vm.recorder}
	if interceptor := vm.intercept.Load(); interceptor != nil {
		view.Intercept = interceptor
	}
	return view
}

// socket is a guest's connection, from this end of it.
type socket struct{ *net.TCPConn }

// Reset ends the connection with an RST.
func (s socket) Reset() {
	_ = s.SetLinger(0) // it only says how the close below looks
	_ = s.Close()
}
