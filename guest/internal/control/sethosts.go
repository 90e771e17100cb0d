package control

import (
	"encoding/json"
	"errors"

	"ember.dev/guest/internal/etc"
	"ember.dev/guest/internal/identity"
)

// maxHosts is more than any subnet has blocks for.
const maxHosts = 1 << 16

// SetHosts names the other VMs of the installation, all of them. A list that is too long for one request comes in
// parts, in order on one stream.
type SetHosts struct {
	// Revision grows with each change of the list: of two commands on the host, the later one's list holds.
	Revision int64           `json:"revision"`
	Hosts    []identity.Host `json:"hosts"`
	// Offset is how many hosts earlier parts had; More says that others follow.
	Offset int  `json:"offset"`
	More   bool `json:"more"`
}

// hostList is what the host has told of the other VMs since boot.
type hostList struct {
	revision int64
	hosts    []identity.Host // nil: nothing, what the identity says holds
}

func (m *conversation) setHosts(raw json.RawMessage) (reply, error) {
	part, err := params[SetHosts](raw)
	if err == nil {
		err = part.check()
	}
	list := m.staged
	m.staged = hostList{} // whatever is wrong now, half a list never holds
	if err != nil {
		return reply{}, err
	}
	if part.Offset == 0 {
		list = hostList{revision: part.Revision, hosts: []identity.Host{}}
	}
	if part.Revision != list.revision || part.Offset != len(list.hosts) {
		return reply{}, &failure{codeParams, "the part does not follow the one before"}
	}
	list.hosts = append(list.hosts, part.Hosts...)
	if len(list.hosts) > maxHosts {
		return reply{}, &failure{codeParams, "hosts are too many"}
	}
	if part.More {
		m.staged = list
		return reply{result: map[string]any{"applied": false}}, nil
	}
	applied, err := m.applyHosts(list)
	return reply{result: map[string]any{"applied": applied}}, err
}

// applyHosts is false for a list that a newer one has overtaken.
func (m *Machine) applyHosts(list hostList) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if list.revision < m.told.revision {
		return false, nil
	}
	if err := m.placeSiblings(list.hosts); err != nil {
		return false, err
	}
	m.told = list
	return true, nil
}

// hostsAfter makes /etc/hosts right again once a new identity has written it anew.
func (m *Machine) hostsAfter(change NewIdentity) error {
	if change.Hosts != nil || m.told.hosts == nil {
		m.told = hostList{}
		return nil
	}
	return m.placeSiblings(m.told.hosts)
}

func (m *Machine) placeSiblings(hosts []identity.Host) error {
	if m.PlaceSiblings == nil {
		return etc.PlaceSiblings(hosts)
	}
	return m.PlaceSiblings(hosts)
}

func (s SetHosts) check() error {
	if s.Revision <= 0 {
		return &failure{codeParams, "revision is not positive"}
	}
	if s.Hosts == nil {
		return &failure{codeParams, "hosts are missing"} // an empty list takes all names away
	}
	if err := checkHosts(s.Hosts); err != nil {
		return &failure{codeParams, err.Error()}
	}
	return nil
}

func checkHosts(hosts []identity.Host) error {
	for _, host := range hosts {
		if identity.CheckHostname(host.Name) != nil || !host.Address.Is4() {
			return errors.New("hosts has an entry without a valid name and IPv4 address")
		}
	}
	return nil
}
