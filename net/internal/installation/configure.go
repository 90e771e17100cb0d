package installation

import (
	"fmt"
	"net/netip"

	"ember.dev/net/internal/dial"
	"ember.dev/net/internal/fault"
	"ember.dev/net/internal/names"
)

// Configuration that all VMs share.
type Configuration struct {
	// Subnets that the installation's VMs have their addresses from.
	Subnets []netip.Prefix `json:"subnets"`
	// Proxy leads outside; nil leaves what is known of it.
	Proxy *dial.Proxy `json:"proxy,omitempty"`
	// HostResolverPort of the loopback is where the host may ask for the VMs' names; 0: nowhere.
	HostResolverPort uint16 `json:"hostResolverPort"`
}

// Configure replaces the configuration: all that it says, or nothing when any of it is wrong.
func (i *Installation) Configure(c Configuration) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	var fresh *names.HostServer
	if c.HostResolverPort != 0 && (i.hostServer == nil || i.hostServer.Port() != c.HostResolverPort) {
		server, err := names.ServeHost(c.HostResolverPort, i.around.Resolver)
		if err != nil {
			message := fmt.Sprintf("cannot answer the host's questions at port %d: %s", c.HostResolverPort, err)
			return fault.New(fault.PortTaken, "%s", message)
		}
		fresh = server
	}
	if c.Proxy != nil {
		if err := i.dialer.SetProxy(*c.Proxy); err != nil {
			if fresh != nil {
				fresh.Close()
			}
			return fault.New(fault.Usage, "%s", err)
		}
	}
	i.around.Guard.SetSubnets(c.Subnets)
	if i.hostServer != nil && (fresh != nil || c.HostResolverPort == 0) {
		i.hostServer.Close()
		i.hostServer = nil
	}
	if fresh != nil {
		i.hostServer = fresh
	}
	return nil
}
