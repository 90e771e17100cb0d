// Package installation holds the networks of all VMs of one installation, and what they share. Its methods are those of
// the control protocol: each is done as a whole or not at all, and doing one again succeeds.
package installation

import (
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
	dialer *dial.Dialer
	idle   *time.Timer
	wait   time.Duration

	mu    sync.Mutex
	vms   map[string]*vm
	ended bool
	// hostServer is nil while the host asks nowhere.
	hostServer *names.HostServer
}

// New makes an installation without VMs. When it has had none for idle, end is called.
func New(idle time.Duration, end func()) *Installation {
	contract, pool := guard.New(), names.NewPool()
	dialer := dial.New(contract, pool)
	resolver := names.New(names.NewHostUpstream(resolvers), pool, dialer.ProxyFor)
	i := &Installation{
		around: guest.Surroundings{
			Routes: route.NewTable(), Guard: contract, Dialer: dialer, Resolver: resolver,
		},
		dialer: dialer,
		wait:   idle,
		vms:    map[string]*vm{},
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
	if i.hostServer != nil {
		i.hostServer.Close()
	}
}
