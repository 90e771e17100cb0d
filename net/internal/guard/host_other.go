//go:build !linux

package guard

import (
	"fmt"
	"net"
	"net/netip"
)

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
