// Package installation holds the networks of all VMs of one installation, and what they share. Its methods are those of
// the control protocol: each is done as a whole or not at all, and doing one again succeeds.
package installation

import (
	"net/netip"
	"sync"
	"time"

	"ember.dev/net/internal/dial"
	"ember.dev/net/internal/fault"
	"ember.dev/net/internal/guard"
	"ember.dev/net/internal/guest"
	"ember.dev/net/internal/names"
	"ember.dev/net/internal/route"
)

// resolvers of the host are named there.
const resolvers = "/etc/resolv.conf"

// Installation is all there is to a process of ember-net.
type Installation struct {
	around guest.Surroundings
	idle   *time.Timer
	wait   time.Duration

	mu    sync.Mutex
	vms   map[string]*vm
	ended bool
}

// New makes an installation without VMs. When it has had none for idle, end is called.
func New(idle time.Duration, end func()) *Installation {
	contract := guard.New()
	i := &Installation{
		around: guest.Surroundings{
			Routes:   route.NewTable(),
			Guard:    contract,
			Dialer:   dial.New(contract),
			Resolver: names.New(names.NewHostUpstream(resolvers)),
		},
		wait: idle,
		vms:  map[string]*vm{},
	}
	i.idle = time.AfterFunc(idle, func() {
		if i.finish() {
			end()
		}
	})
	return i
}

// finish lets no VM in any more, if there is none.
func (i *Installation) finish() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ended = i.ended || len(i.vms) == 0
	return i.ended
}

// Configuration that all VMs share.
type Configuration struct {
	// Subnets that the installation's VMs have their addresses from.
	Subnets []netip.Prefix `json:"subnets"`
}

// Configure replaces the configuration.
func (i *Installation) Configure(c Configuration) error {
	i.around.Guard.SetSubnets(c.Subnets)
	return nil
}

// find is called with mu held.
func (i *Installation) find(id string) (*vm, error) {
	one, ok := i.vms[id]
	if !ok {
		return nil, fault.New(fault.NotFound, "no VM with the id '%s' is attached", id)
	}
	return one, nil
}

// Close detaches all VMs.
func (i *Installation) Close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ended = true
	i.idle.Stop()
	for id, one := range i.vms {
		one.close()
		delete(i.vms, id)
	}
}
