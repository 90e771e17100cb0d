package guard

import (
	"fmt"
	"net"
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

// ReadHost asks the system.
func ReadHost() (Host, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return Host{}, fmt.Errorf("read the host's interfaces: %w", err)
	}
	var host Host
	for _, one := range interfaces {
		addresses, err := one.Addrs()
		if err != nil {
			// It has gone since the list was read, or the system does not say: then nothing is known to be allowed.
			if _, gone := net.InterfaceByIndex(one.Index); gone != nil {
				continue
			}
			return Host{}, fmt.Errorf("read the addresses of %s: %w", one.Name, err)
		}
		host.Interfaces = append(host.Interfaces, Interface{Name: one.Name, Prefixes: prefixesOf(addresses)})
	}
	return host, nil
}

func prefixesOf(addresses []net.Addr) []netip.Prefix {
	var prefixes []netip.Prefix
	for _, address := range addresses {
		network, ok := address.(*net.IPNet)
		if !ok {
			continue
		}
		ip, ok := netip.AddrFromSlice(network.IP)
		if !ok {
			continue
		}
		bits, _ := network.Mask.Size()
		prefixes = append(prefixes, netip.PrefixFrom(ip.Unmap(), bits))
	}
	return prefixes
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
