package guard

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

func TestEveryAddressOfTheHostIsRead(t *testing.T) {
	host, err := ReadHost()
	if err != nil {
		t.Fatal(err)
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range addresses {
		prefix := netip.MustParsePrefix(one.String())
		if host.owns(prefix.Addr()) == "" {
			t.Errorf("%s is not among %v", prefix, host.Interfaces)
		}
	}
	for _, one := range host.Interfaces {
		name, _, _ := strings.Cut(one.Name, ":") // an address may have a label of its own
		if _, err := net.InterfaceByName(name); err != nil && one.Prefixes[0].Addr().Is4() {
			t.Errorf("there is no interface %q", name)
		}
	}
}
