package guard

import (
	"net/netip"
	"sync/atomic"
)

// Guard judges addresses for the guests of one installation.
type Guard struct {
	host    func() (Host, error)
	subnets atomic.Pointer[[]netip.Prefix]
}

// New makes a guard that reads the host's interfaces anew each time.
func New() *Guard { return NewFor(ReadHost) }

// NewFor makes a guard for what host says of the host.
func NewFor(host func() (Host, error)) *Guard {
	g := &Guard{host: host}
	g.subnets.Store(&[]netip.Prefix{})
	return g
}

// SetSubnets names the networks of the installation itself: what is in them is a sibling, or nobody.
func (g *Guard) SetSubnets(subnets []netip.Prefix) { g.subnets.Store(&subnets) }

// Check returns a *Refusal for an address that no guest may reach, another error when the host cannot be asked: then
// nothing may be reached. Siblings never come here.
func (g *Guard) Check(address netip.Addr) error {
	if reason := always(address); reason != "" {
		return &Refusal{Address: address, Reason: reason}
	}
	for _, subnet := range *g.subnets.Load() {
		if subnet.Contains(address) {
			return &Refusal{Address: address, Reason: "in the VMs' own network, and no running VM's"}
		}
	}
	host, err := g.host()
	if err != nil {
		return err
	}
	if reason := host.owns(address); reason != "" {
		return &Refusal{Address: address, Reason: reason}
	}
	if inner, ok := embedded(address); ok {
		if err := g.Check(inner); err != nil {
			return &Refusal{Address: address, Reason: "another form of an address that is refused: " + err.Error()}
		}
	}
	return nil
}
