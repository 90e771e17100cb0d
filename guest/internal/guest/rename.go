package guest

import (
	"errors"
	"time"

	"ember.dev/guest/internal/agent"
	"ember.dev/guest/internal/control"
	"ember.dev/guest/internal/etc"
	"ember.dev/guest/internal/identity"
	"ember.dev/guest/internal/netconf"
)

// oldAddressGrace lets the answer leave through the address that is about to go.
const oldAddressGrace = time.Second

// renamer returns what turns this guest into another after a live fork or a
// restore. Credentials go last: only a guest that is complete answers under
// its new host key.
func renamer(id *identity.Identity, server *agent.Server) func(control.NewIdentity) (func(), error) {
	return func(change control.NewIdentity) (after func(), err error) {
		nic := ""
		if change.Network != nil {
			name, removeOld, err := netconf.Readdress(change.Network)
			if err != nil {
				return nil, err
			}
			id.Network, nic = change.Network, name
			after = func() { time.AfterFunc(oldAddressGrace, removeOld) }
		}
		return after, errors.Join(renameFiles(id, nic, change), renameKeys(id, server, change))
	}
}

func renameFiles(id *identity.Identity, nic string, change control.NewIdentity) error {
	if change.Hostname != "" {
		id.Hostname = change.Hostname
	}
	if change.Hosts != nil {
		id.Hosts = change.Hosts
	}
	names := etc.Names{Hostname: id.Hostname, Network: id.Network, Hosts: id.Hosts}
	failures := []error{etc.PlaceNames(names)}
	if change.Network != nil {
		failures = append(failures, etc.PlaceResolver(id.Network), etc.PlaceServices(nic, id.Network))
	}
	if change.MachineID != "" {
		failures = append(failures, etc.ReplaceMachineID(change.MachineID))
	}
	return errors.Join(failures...)
}

func renameKeys(id *identity.Identity, server *agent.Server, change control.NewIdentity) error {
	hostKey, keys := id.Agent.HostKey, id.Agent.AuthorizedKeys
	if change.HostKey != "" {
		hostKey = change.HostKey
	}
	if change.AuthorizedKeys != nil {
		keys = change.AuthorizedKeys
	}
	if err := server.SetCredentials(hostKey, keys); err != nil {
		return err
	}
	id.Agent.HostKey, id.Agent.AuthorizedKeys = hostKey, keys
	return nil
}
