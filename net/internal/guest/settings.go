package guest

import (
	"fmt"
	"net"
	"net/netip"

	"ember.dev/net/internal/intercept"
	"ember.dev/net/internal/policy"
	"ember.dev/net/internal/publish"
)

const (
	minMTU = 1280
	maxMTU = 65520
)

// Settings of a VM, as the control protocol has them.
type Settings struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	MAC      string `json:"mac"`
	Address  string `json:"address"`
	Prefix   int    `json:"prefix"`
	Gateway  string `json:"gateway"`
	Resolver string `json:"resolver"`
	// The IPv6 addresses are "" for a VM without IPv6.
	Address6  string `json:"address6"`
	Gateway6  string `json:"gateway6"`
	Resolver6 string `json:"resolver6"`
	MTU       uint32 `json:"mtu"`
	Link      Link   `json:"link"`
	Agent     Agent  `json:"agent"`
	// Connected is false for a VM that the agent socket alone may reach.
	Connected  bool                 `json:"connected"`
	Ports      []publish.Port       `json:"ports"`
	Policy     policy.Policy        `json:"policy"`
	Secrets    []intercept.Secret   `json:"secrets"`
	Authority  *intercept.Authority `json:"authority"`
	FlowRecord string               `json:"flowRecord"`
	// Answers is the file of what the resolver answered, for rules about names; "" for none.
	Answers string `json:"answers"`
}

// RedirectLink is the kind of a VM whose packets the host routes: its firewall redirects connections to ember-net.
const RedirectLink = "redirect"

// Link says where the hypervisor exchanges frames: "stream" where it listens, "datagram" where ember-net does. Or it is
// none, and redirects what comes in by a device of the host.
type Link struct {
	Kind   string `json:"kind"`
	Path   string `json:"path,omitempty"`
	Device string `json:"device,omitempty"`
	// TCPPort and DNSPort of the gateway's address are where the firewall redirects to; 0 is any, see the VM's status.
	TCPPort uint16 `json:"tcpPort,omitempty"`
	DNSPort uint16 `json:"dnsPort,omitempty"`
}

func (l Link) check() error {
	switch l.Kind {
	case "stream", "datagram":
		if l.Path != "" && l == (Link{Kind: l.Kind, Path: l.Path}) {
			return nil
		}
	case RedirectLink:
		if l.Device != "" && l.Path == "" {
			return nil
		}
	}
	return fmt.Errorf("a link is 'stream' or 'datagram' and has a path, or it is 'redirect' and has a device")
}

// Agent is the socket that leads to any port of the guest.
type Agent struct {
	Path string `json:"path"`
}

// Addresses of a VM, parsed. Those of IPv6 are zero for a VM without it.
type Addresses struct {
	MAC                       net.HardwareAddr
	Own, Gateway, Resolver    netip.Addr
	Own6, Gateway6, Resolver6 netip.Addr
	Block                     netip.Prefix
}

// Addresses parses and checks all addresses.
func (s *Settings) Addresses() (Addresses, error) {
	var a Addresses
	var err error
	if a.MAC, err = net.ParseMAC(s.MAC); err != nil || len(a.MAC) != 6 || a.MAC[0]&1 != 0 {
		return a, fmt.Errorf("'%s' is no MAC of one machine", s.MAC)
	}
	for _, one := range []struct {
		text     string
		into     *netip.Addr
		is6      bool
		optional bool
	}{
		{s.Address, &a.Own, false, false}, {s.Gateway, &a.Gateway, false, false}, {s.Resolver, &a.Resolver, false, false},
		{s.Address6, &a.Own6, true, s.Address6 == ""}, {s.Gateway6, &a.Gateway6, true, s.Address6 == ""},
		{s.Resolver6, &a.Resolver6, true, s.Address6 == ""},
	} {
		if one.optional && one.text == "" {
			continue
		}
		address, err := netip.ParseAddr(one.text)
		if err != nil || address.Is6() != one.is6 || address.Is4In6() || address.Zone() != "" {
			return a, fmt.Errorf("'%s' is no address of the right kind", one.text)
		}
		*one.into = address
	}
	a.Block, err = a.Own.Prefix(s.Prefix)
	if err != nil || !a.Block.Contains(a.Gateway) || !a.Block.Contains(a.Resolver) {
		return a, fmt.Errorf("gateway and resolver are not in the network of %s/%d", s.Address, s.Prefix)
	}
	return a, nil
}

// Check says what is wrong with the settings, besides addresses.
func (s *Settings) Check() error {
	if s.ID == "" || s.Name == "" {
		return fmt.Errorf("a VM has an id and a name")
	}
	if s.MTU < minMTU || s.MTU > maxMTU {
		return fmt.Errorf("an MTU is between %d and %d", minMTU, maxMTU)
	}
	if err := s.Link.check(); err != nil {
		return err
	}
	if err := s.Policy.Validate(); err != nil {
		return err
	}
	return publish.Check(s.Ports)
}

// OpenPorts are those that are open now.
func (s *Settings) OpenPorts() []publish.Port {
	if !s.Connected {
		return nil
	}
	return s.Ports
}

// SamePlace says whether a VM with other settings can keep its link and its connections.
func (s *Settings) SamePlace(other *Settings) bool {
	return s.MAC == other.MAC && s.Address == other.Address && s.Prefix == other.Prefix && s.Gateway == other.Gateway &&
		s.Resolver == other.Resolver && s.Address6 == other.Address6 && s.Gateway6 == other.Gateway6 &&
		s.Resolver6 == other.Resolver6 && s.MTU == other.MTU && s.Link == other.Link && s.Agent == other.Agent &&
		s.FlowRecord == other.FlowRecord && s.Answers == other.Answers
}

// All addresses of the guest.
func (a *Addresses) All() []netip.Addr {
	if a.Own6.IsValid() {
		return []netip.Addr{a.Own, a.Own6}
	}
	return []netip.Addr{a.Own}
}
