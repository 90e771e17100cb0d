package installation

import (
	"errors"

	"ember.dev/net/internal/fault"
	"ember.dev/net/internal/guest"
	"ember.dev/net/internal/intercept"
	"ember.dev/net/internal/policy"
	"ember.dev/net/internal/publish"
)

// Attach makes a VM's network. For one that is attached, it replaces the settings: the link and the connections that are
// still allowed stay, unless addresses or sockets are others.
func (i *Installation) Attach(settings guest.Settings) error {
	if err := settings.Check(); err != nil {
		return fault.New(fault.Usage, "%s", err)
	}
	addresses, err := settings.Addresses()
	if err != nil {
		return fault.New(fault.Usage, "%s", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.ended {
		return fault.New(fault.Ending, "ember-net is ending: nobody needed it")
	}
	if err := i.refuseTwins(&settings); err != nil {
		return err
	}
	if present := i.vms[settings.ID]; present != nil {
		if present.settings.SamePlace(&settings) {
			return i.change(present, settings)
		}
		i.remove(settings.ID, present)
	}
	one, err := open(settings, i.around)
	if err != nil {
		i.rest()
		return err
	}
	i.idle.Stop()
	i.vms[settings.ID] = one
	i.around.Resolver.Add(settings.Name, addresses.All()...)
	return nil
}

// change is called with mu held. What can fail comes first, and is put back.
func (i *Installation) change(present *vm, settings guest.Settings) error {
	if err := present.setPorts(settings.OpenPorts()); err != nil {
		return err
	}
	if err := present.network.SetSecrets(settings.Authority, settings.Secrets); err != nil {
		return errors.Join(fault.New(fault.Usage, "%s", err), present.setPorts(present.settings.OpenPorts()))
	}
	present.network.SetPolicy(settings.Policy)
	present.network.SetConnected(settings.Connected)
	addresses, err := settings.Addresses()
	if err != nil {
		return err
	}
	i.around.Resolver.Remove(present.settings.Name)
	i.around.Resolver.Add(settings.Name, addresses.All()...)
	present.settings = settings
	return nil
}

// refuseTwins of addresses and names: one would get what is meant for the other.
func (i *Installation) refuseTwins(settings *guest.Settings) error {
	for id, other := range i.vms {
		if id == settings.ID {
			continue
		}
		if other.settings.Address == settings.Address || other.settings.Name == settings.Name {
			return fault.New(fault.Usage, "the VM '%s' has the same name or address", other.settings.Name)
		}
	}
	return nil
}

// Detach leaves nothing of a VM's network. One that is not attached is none.
func (i *Installation) Detach(id string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if present := i.vms[id]; present != nil {
		i.remove(id, present)
	}
	i.rest()
}

// remove is called with mu held.
func (i *Installation) remove(id string, present *vm) {
	i.around.Resolver.Remove(present.settings.Name)
	present.close()
	delete(i.vms, id)
}

// rest begins to wait for the end when there is no VM; called with mu held.
func (i *Installation) rest() {
	if len(i.vms) == 0 {
		i.idle.Reset(i.wait)
	}
}

// Publish makes the list all ports that lead to a VM.
func (i *Installation) Publish(id string, ports []publish.Port) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	one, err := i.find(id)
	if err != nil {
		return err
	}
	settings := one.settings
	settings.Ports = ports
	if err := one.setPorts(settings.OpenPorts()); err != nil {
		return err
	}
	one.settings = settings
	return nil
}

// SetPolicy replaces a VM's policy and secrets; connections that the policy does not allow end.
func (i *Installation) SetPolicy(id string, p policy.Policy, authority *intercept.Authority, secrets []intercept.Secret) error {
	if err := p.Validate(); err != nil {
		return fault.New(fault.Usage, "%s", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	one, err := i.find(id)
	if err != nil {
		return err
	}
	if err := one.network.SetSecrets(authority, secrets); err != nil {
		return fault.New(fault.Usage, "%s", err)
	}
	one.network.SetPolicy(p)
	one.settings.Policy, one.settings.Authority, one.settings.Secrets = p, authority, secrets
	return nil
}
