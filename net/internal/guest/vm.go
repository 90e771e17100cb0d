package guest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"ember.dev/net/internal/dial"
	"ember.dev/net/internal/guard"
	"ember.dev/net/internal/inspect"
	"ember.dev/net/internal/intercept"
	"ember.dev/net/internal/link"
	"ember.dev/net/internal/names"
	"ember.dev/net/internal/policy"
	"ember.dev/net/internal/record"
	"ember.dev/net/internal/route"
)

// Dialer opens sockets to the outside, by the contract: see dial.Dialer.
type Dialer interface {
	TCP(ctx context.Context, name string, destination netip.AddrPort) (net.Conn, error)
	UDP(destination netip.AddrPort) (*net.UDPConn, error)
	Ping(destination netip.Addr) (*dial.Pinger, error)
}

// Surroundings are what the VMs of an installation share.
type Surroundings struct {
	Routes   *route.Table
	Guard    *guard.Guard
	Dialer   Dialer
	Resolver *names.Resolver
}

// VM is one VM's network.
type VM struct {
	addresses Addresses
	broadcast netip.Addr
	link      link.Link
	endpoint  *link.Endpoint
	stack     *stack.Stack
	engine    *policy.Engine
	recorder  *record.Recorder
	intercept intercept.Slot
	connected atomic.Bool

	routes   *route.Table
	guard    *guard.Guard
	dialer   Dialer
	resolver *names.Resolver

	flows      *flows
	exchanges  exchanges
	arrivals   arrivals
	pings      pings
	connecting sync.Mutex
	sequences  map[stack.TransportEndpointID]uint32
	questions  atomic.Int64

	spoofed atomic.Uint64

	ctx    context.Context
	cancel context.CancelFunc
	ended  chan struct{}
}

// gatewayMAC is the same on every VM's cable: a machine that is restored elsewhere still knows it.
const gatewayMAC = tcpip.LinkAddress("\x52\x54\x00\xee\xee\x01")

// New makes a VM's network and begins to carry its frames.
func New(settings *Settings, around Surroundings, recorder *record.Recorder) (*VM, error) {
	if err := settings.Check(); err != nil {
		return nil, err
	}
	addresses, err := settings.Addresses()
	if err != nil {
		return nil, err
	}
	var vm *VM
	cable, err := newLink(settings.Link, func() { vm.abandon() })
	if err != nil {
		return nil, fmt.Errorf("open the link: %w", err)
	}
	endpoint := link.NewEndpoint(gatewayMAC, tcpip.LinkAddress(addresses.MAC), settings.MTU)
	ctx, cancel := context.WithCancel(context.Background())
	vm = &VM{
		addresses: addresses,
		broadcast: lastOf(addresses.Block),
		link:      cable,
		endpoint:  endpoint,
		engine:    policy.Resume(settings.Policy, settings.Answers),
		recorder:  recorder,
		routes:    around.Routes,
		guard:     around.Guard,
		dialer:    around.Dialer,
		resolver:  around.Resolver,
		flows:     newFlows(),
		exchanges: exchanges{open: map[stack.TransportEndpointID]*datagrams{}},
		arrivals:  arrivals{open: map[stack.TransportEndpointID]*arrival{}},
		pings:     pings{open: map[pingID]*ping{}},
		sequences: map[stack.TransportEndpointID]uint32{},
		ctx:       ctx,
		cancel:    cancel,
		ended:     make(chan struct{}),
	}
	if vm.stack, err = newStack(endpoint, addresses); err != nil {
		cancel()
		return nil, err
	}
	vm.serveTCP()
	vm.serveUDP()
	vm.serveEcho()
	vm.setConnected(settings.Connected)
	go func() {
		defer close(vm.ended)
		cable.Run(ctx, endpoint.Queue, vm.receive)
	}()
	return vm, nil
}

func newLink(l Link, lost func()) (link.Link, error) {
	if l.Kind == "datagram" {
		return link.NewDatagram(l.Path)
	}
	return link.NewStream(l.Path, lost), nil
}

// abandon ends every connection: the machine at the other end of the cable has ended, and nobody there will ever answer,
// nor say that it has gone. Without this, who waits for it, such as a client of the agent, would wait for minutes.
func (vm *VM) abandon() {
	for _, endpoint := range vm.stack.RegisteredEndpoints() {
		endpoint.Abort()
	}
}

// Close ends all flows and takes the VM off its siblings' way. Nothing of it is left afterwards.
func (vm *VM) Close() {
	vm.setConnected(false)
	vm.cancel()
	vm.flows.endAll()
	<-vm.ended
	vm.stack.Close()
	go vm.stack.Wait() // for connections that were only just begun, minutes: they have no cable any more
}

// SetConnected joins the VM to the outside and its siblings, or ends all that goes there.
func (vm *VM) SetConnected(connected bool) {
	vm.setConnected(connected)
	if !connected {
		vm.flows.endAll()
	}
}

func (vm *VM) setConnected(connected bool) {
	vm.connected.Store(connected)
	for _, address := range []netip.Addr{vm.addresses.Own, vm.addresses.Own6} {
		switch {
		case !address.IsValid():
		case connected:
			vm.routes.Add(address, vm.endpoint)
		default:
			vm.routes.Remove(address, vm.endpoint)
		}
	}
}

// SetPolicy replaces the policy; flows that it does not allow end.
func (vm *VM) SetPolicy(p policy.Policy) { vm.engine.Replace(p) }

// SaveAnswers writes to path what the resolver answered: see policy.Engine.
func (vm *VM) SaveAnswers(path string) error { return vm.engine.SaveAnswers(path) }

// inspection is what inspect needs of the VM.
func (vm *VM) inspection() *inspect.VM {
	view := &inspect.VM{Engine: vm.engine, Dial: vm.dialer.TCP, Record: vm.recorder}
	if interceptor := vm.intercept.Load(); interceptor != nil {
		view.Intercept = interceptor
	}
	return view
}

func lastOf(block netip.Prefix) netip.Addr {
	bytes := block.Masked().Addr().As4()
	for bit := block.Bits(); bit < 32; bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(bytes)
}
