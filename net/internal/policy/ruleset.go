package policy

import (
	"net/netip"
	"slices"
	"strings"
)

// Protocols as the engine's callers name them.
const (
	TCP  = "tcp"
	UDP  = "udp"
	ICMP = "icmp"
)

// ruleset is all rules of one action, arranged so that a look-up takes the same time with one rule and with thousands, and
// allocates nothing. Of several rules that fit, the most specific gives the name: exact name, longest suffix, longest prefix.
type ruleset struct {
	exact  map[string][]Rule
	suffix map[string][]Rule // by what follows "*."
	cidrs  map[netip.Prefix][]Rule
	// lengths4 and lengths6 are the prefix lengths in use, the longest first.
	lengths4, lengths6 []int
	// anyPort and ports tell by which ports a host rule may decide, whatever the name.
	anyPort *Rule
	ports   map[uint16]*Rule
}

func newRuleset(rules []Rule, action Action) *ruleset {
	set := &ruleset{
		exact: map[string][]Rule{}, suffix: map[string][]Rule{}, cidrs: map[netip.Prefix][]Rule{}, ports: map[uint16]*Rule{},
	}
	for _, rule := range rules {
		if rule.Action != action {
			continue
		}
		if rule.Host != "" {
			set.addHost(rule)
			continue
		}
		set.cidrs[rule.CIDR] = append(set.cidrs[rule.CIDR], rule)
		lengths := &set.lengths4
		if rule.CIDR.Addr().Is6() {
			lengths = &set.lengths6
		}
		if !slices.Contains(*lengths, rule.CIDR.Bits()) {
			*lengths = append(*lengths, rule.CIDR.Bits())
		}
	}
	for _, lengths := range [][]int{set.lengths4, set.lengths6} {
		slices.SortFunc(lengths, func(a, b int) int { return b - a })
	}
	return set
}

func (s *ruleset) addHost(rule Rule) {
	if suffix, ok := strings.CutPrefix(rule.Host, "*."); ok {
		s.suffix[suffix] = append(s.suffix[suffix], rule)
	} else {
		s.exact[rule.Host] = append(s.exact[rule.Host], rule)
	}
	if rule.Port == 0 && s.anyPort == nil {
		s.anyPort = &rule
	}
	if rule.Port != 0 && s.ports[rule.Port] == nil {
		s.ports[rule.Port] = &rule
	}
}

// byAddress finds a CIDR rule for the destination; nil when there is none. Port 0 is ICMP's.
func (s *ruleset) byAddress(protocol string, destination netip.AddrPort) *Rule {
	address := destination.Addr()
	lengths := s.lengths4
	if address.Is6() {
		lengths = s.lengths6
	}
	for _, bits := range lengths {
		prefix, err := address.Prefix(bits)
		if err != nil {
			continue // a length of the other family: cannot be
		}
		rules := s.cidrs[prefix]
		for i := range rules {
			if rules[i].fits(protocol, destination.Port()) {
				return &rules[i]
			}
		}
	}
	return nil
}

func (r *Rule) fits(protocol string, port uint16) bool {
	if protocol == ICMP {
		return r.Protocol == "" && r.Port == 0
	}
	return (r.Protocol == "" || r.Protocol == protocol) && (r.Port == 0 || r.Port == port)
}

// byName finds a host rule for a normal name at a port; nil when there is none.
func (s *ruleset) byName(name string, port uint16) *Rule {
	return s.find(name, func(rule *Rule) bool { return rule.Port == 0 || rule.Port == port })
}

func (s *ruleset) find(name string, fits func(*Rule) bool) (found *Rule) {
	if !s.hasHosts() {
		return nil
	}
	among := func(rules []Rule) bool {
		for i := range rules {
			if fits(&rules[i]) {
				found = &rules[i]
				return false
			}
		}
		return true
	}
	if among(s.exact[name]) {
		eachSuffix(name, func(suffix string) bool { return among(s.suffix[suffix]) })
	}
	return found
}

// mayDecide gives a host rule that may decide at the port, by a name that is yet to be seen; nil when none can.
func (s *ruleset) mayDecide(port uint16) *Rule {
	if s.anyPort != nil {
		return s.anyPort
	}
	return s.ports[port]
}

// coversAll says whether a CIDR rule is for all addresses of a family.
func (s *ruleset) coversAll() bool {
	return slices.Contains(s.lengths4, 0) || slices.Contains(s.lengths6, 0)
}

func (s *ruleset) hasHosts() bool { return len(s.exact) > 0 || len(s.suffix) > 0 }
