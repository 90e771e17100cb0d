package guard

import (
	"net/netip"
	"regexp"
)

// tapName is what TAP interfaces of any ember installation are called (see src/network/tap/names.ts).
var tapName = regexp.MustCompile(`^e[0-9a-f]{14}$`)

// Host is what the host has at one moment.
type Host struct {
	Interfaces []Interface
}

// Interface of the host with its addresses, each with the prefix of its network.
type Interface struct {
	Name     string
	Prefixes []netip.Prefix
}

// owns says why an address is none of the outside, or "".
func (h Host) owns(address netip.Addr) string {
	for _, one := range h.Interfaces {
		for _, prefix := range one.Prefixes {
			switch {
			case prefix.Addr() == address:
				return "this host's own address on " + one.Name
			case prefix.Contains(address) && tapName.MatchString(one.Name):
				return "a VM's of another installation"
			case address.Is4() && prefix.Contains(address) && isEdge(prefix, address):
				return "the broadcast address of " + one.Name
			}
		}
	}
	return ""
}

// isEdge says whether an address is its network's first or last, which reach all hosts there, this one included.
func isEdge(prefix netip.Prefix, address netip.Addr) bool {
	if prefix.Bits() >= 31 {
		return false
	}
	if prefix.Masked().Addr() == address {
		return true
	}
	bytes := address.As4()
	for bit := prefix.Bits(); bit < 32; bit++ {
		if bytes[bit/8]&(0x80>>(bit%8)) == 0 {
			return false
		}
	}
	return true
}
