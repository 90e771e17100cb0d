package boot

import (
	"ember.dev/guest/internal/etc"
	"ember.dev/guest/internal/netconf"
	"ember.dev/guest/internal/trust"
)

// startNetwork configures the interface while the root disk is being mounted.
func (b *boot) startNetwork() {
	b.network = make(chan error, 1)
	go func() {
		b.warn(netconf.Loopback())
		var err error
		if b.id.Network != nil {
			b.nic, err = netconf.Configure(b.id.Network)
		}
		b.network <- err
	}()
}

// personalise provides what in /etc depends on this VM. A read-only image
// without the files in question goes without.
func (b *boot) personalise() {
	b.warn(etc.KeepImageHosts())
	b.warn(etc.PlaceNames(etc.Names{Hostname: b.id.Hostname, Network: b.id.Network, Hosts: b.id.Hosts}))
	b.warn(etc.PlaceResolver(b.id.Network))
	b.warn(etc.PlaceMachineID(etc.MachineID(b.id.VMID)))
	b.warn(trust.Place(b.id.Trust))
}
