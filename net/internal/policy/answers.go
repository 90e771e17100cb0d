package policy

import (
	"container/list"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// answerGrace is how long an answer holds beyond its TTL: programs go on using what they resolved once.
	answerGrace = 15 * time.Minute
	minTTL      = 30 * time.Second
	maxTTL      = 24 * time.Hour

	maxPins           = 8192 // per VM, pairs of a name and an address
	maxPinsPerAddress = 256
	maxAddresses      = 64 // of one answer
	maxChain          = 16
)

// pin is one address that the resolver gave the guest for a name that it asked.
type pin struct {
	address netip.Addr
	name    string
	// chain is the CNAMEs between. They were not asked for, so they allow nothing; but a rule that refuses one of them holds.
	chain []string
	until time.Time
	place *list.Element
}

// answers is what the resolver told one VM. A guest that asks without end pushes out its own oldest answers.
type answers struct {
	mu        sync.RWMutex
	byAddress map[netip.Addr][]*pin // the newest last
	order     *list.List            // of *pin, the oldest first
	changed   bool                  // since they were saved
	now       func() time.Time
}

func newAnswers() *answers {
	return &answers{byAddress: map[netip.Addr][]*pin{}, order: list.New(), now: time.Now}
}

func (a *answers) add(name string, chain []string, addresses []netip.Addr, ttl time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	until := now.Add(min(max(ttl, minTTL), maxTTL) + answerGrace)
	a.changed = true
	for _, address := range addresses[:min(len(addresses), maxAddresses)] {
		a.put(&pin{address: address.Unmap().WithZone(""), name: name, chain: chain, until: until})
	}
	a.trim(now)
}

// put adds a pin, in place of an older one of the same name and address.
func (a *answers) put(added *pin) {
	if old := a.find(added.address, added.name); old != nil {
		a.remove(old)
	}
	if pins := a.byAddress[added.address]; len(pins) >= maxPinsPerAddress {
		a.remove(pins[0])
	}
	added.place = a.order.PushBack(added)
	a.byAddress[added.address] = append(a.byAddress[added.address], added)
}

// trim removes the oldest that hold no more, or are too many.
func (a *answers) trim(now time.Time) {
	for front := a.order.Front(); front != nil; front = a.order.Front() {
		oldest := front.Value.(*pin)
		if a.order.Len() <= maxPins && now.Before(oldest.until) {
			return
		}
		a.remove(oldest)
	}
}

func (a *answers) find(address netip.Addr, name string) *pin {
	for _, pin := range a.byAddress[address] {
		if pin.name == name {
			return pin
		}
	}
	return nil
}

func (a *answers) remove(gone *pin) {
	a.order.Remove(gone.place)
	pins := a.byAddress[gone.address]
	pins = slices.DeleteFunc(pins, func(one *pin) bool { return one == gone })
	if len(pins) == 0 {
		delete(a.byAddress, gone.address)
		return
	}
	a.byAddress[gone.address] = pins
}

// names are those that the address was answered for and that still hold, the newest first.
func (a *answers) names(address netip.Addr) []string {
	a.mu.RLock()
	defer a.mu.RUnlock()
	var names []string
	now := a.now()
	for _, pin := range slices.Backward(a.byAddress[address.Unmap().WithZone("")]) {
		if now.Before(pin.until) {
			names = append(names, pin.name)
		}
	}
	return names
}
