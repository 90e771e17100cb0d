package installation

import (
	"cmp"
	"slices"

	"ember.dev/net/internal/publish"
	"ember.dev/net/internal/record"
)

// Status of one VM.
type Status struct {
	ID            string         `json:"id"`
	Name          string         `json:"name"`
	Linked        bool           `json:"linked"`
	Allowed       uint64         `json:"allowed"`
	Refused       uint64         `json:"refused"`
	Spoofed       uint64         `json:"spoofed"`
	Connections   int            `json:"connections"`
	ReceivedBytes uint64         `json:"receivedBytes"`
	SentBytes     uint64         `json:"sentBytes"`
	Ports         []publish.Port `json:"ports"`
	// Redirect is for the host's firewall, when it routes the VM's packets.
	Redirect *Redirect `json:"redirect,omitempty"`
}

// Status of all VMs, by their ids.
func (i *Installation) Status() []Status {
	i.mu.Lock()
	defer i.mu.Unlock()
	list := make([]Status, 0, len(i.vms))
	for id, one := range i.vms {
		now := one.network.Status()
		list = append(list, Status{
			ID: id, Name: one.settings.Name, Linked: now.Linked, Ports: one.listPorts(), Redirect: redirectOf(one),
			Allowed: now.Allowed, Refused: now.Refused, Spoofed: now.Spoofed, Connections: now.Connections,
			ReceivedBytes: now.ReceivedBytes, SentBytes: now.SentBytes,
		})
	}
	slices.SortFunc(list, func(a, b Status) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// Flows that a VM had and was refused.
func (i *Installation) Flows(id string) ([]record.Flow, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	one, err := i.find(id)
	if err != nil {
		return nil, err
	}
	return one.recorder.Flows(), nil
}

// Forget empties a VM's record of flows.
func (i *Installation) Forget(id string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	one, err := i.find(id)
	if err != nil {
		return err
	}
	one.recorder.Forget()
	return nil
}
