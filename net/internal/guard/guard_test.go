package guard

import (
	"errors"
	"net/netip"
	"testing"
)

func lan() (Host, error) {
	return Host{Interfaces: []Interface{
		{Name: "lo", Prefixes: prefixes("127.0.0.1/8", "::1/128", "203.0.113.77/32")},
		{Name: "eth0", Prefixes: prefixes("192.0.2.10/24", "2001:db8::10/64", "fe80::1/64")},
		{Name: "tun0", Prefixes: prefixes("10.8.0.2/32")},
		{Name: "e0a1b0123456789", Prefixes: prefixes("10.101.0.1/30")},
		{Name: "e-other", Prefixes: prefixes("10.102.0.1/30")},
	}}, nil
}

func prefixes(texts ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

func TestNoGuestReachesTheseAddresses(t *testing.T) {
	guard := NewFor(lan)
	guard.SetSubnets(prefixes("10.100.0.0/16", "fd12:3456:789a::/48"))
	for name, address := range map[string]string{
		"loopback":                          "127.0.0.1",
		"all of loopback":                   "127.200.3.4",
		"IPv6 loopback":                     "::1",
		"unspecified":                       "0.0.0.0",
		"IPv6 unspecified":                  "::",
		"this network":                      "0.1.2.3",
		"the host on its LAN":               "192.0.2.10",
		"the host's IPv6":                   "2001:db8::10",
		"the host on a VPN":                 "10.8.0.2",
		"an address on the loopback device": "203.0.113.77",
		"the LAN's broadcast":               "192.0.2.255",
		"the LAN's old broadcast":           "192.0.2.0",
		"all ones":                          "255.255.255.255",
		"reserved":                          "240.0.0.1",
		"multicast":                         "224.0.0.251",
		"IPv6 multicast":                    "ff02::fb",
		"link-local":                        "169.254.7.7",
		"IPv6 link-local":                   "fe80::1",
		"site-local":                        "fec0::1",
		"metadata":                          "169.254.169.254",
		"metadata at Amazon, IPv6":          "fd00:ec2::254",
		"metadata at Google, IPv6":          "fd20:ce::254",
		"metadata at Alibaba":               "100.100.100.200",
		"metadata at Oracle":                "192.0.0.192",
		"mapped loopback":                   "::ffff:127.0.0.1",
		"mapped, of anybody":                "::ffff:198.51.100.1",
		"compatible loopback":               "::127.0.0.1",
		"translated loopback":               "::ffff:0:7f00:1",
		"NAT64 of loopback":                 "64:ff9b::7f00:1",
		"NAT64 of the host":                 "64:ff9b::c000:20a",
		"NAT64 of metadata":                 "64:ff9b::a9fe:a9fe",
		"NAT64 of a local prefix":           "64:ff9b:1::1",
		"6to4 of loopback":                  "2002:7f00:1::1",
		"6to4 of the host":                  "2002:c000:20a::1",
		"ISATAP of the host":                "2001:db8:1::5efe:c000:20a",
		"Teredo":                            "2001::1",
		"a VM of another installation":      "10.101.0.2",
		"a VM of ours that is not there":    "10.100.7.3",
		"one of ours, IPv6":                 "fd12:3456:789a:4::3",
		"nowhere":                           "100::1",
	} {
		var refusal *Refusal
		if err := guard.Check(netip.MustParseAddr(address)); !errors.As(err, &refusal) {
			t.Errorf("%s: %s is not refused: %v", name, address, err)
		}
	}
	if guard.Check(netip.Addr{}) == nil || guard.Check(netip.MustParseAddr("fe80::1%eth0")) == nil {
		t.Error("no address, or one with a zone, is not refused")
	}
}

func TestGuestsReachTheOutside(t *testing.T) {
	guard := NewFor(lan)
	guard.SetSubnets(prefixes("10.100.0.0/16"))
	for _, address := range []string{
		"198.51.100.1", "192.0.2.11", "10.8.0.1", "10.102.0.2", "172.16.0.1", "2001:db8::11", "2606:4700::1111",
		"fd00::1", "100.64.0.1", "64:ff9b::c633:6401", "2002:c633:6401::1", "126.255.255.255", "128.0.0.0",
		"169.253.255.255", "169.255.0.0", "223.255.255.255", "198.18.0.1",
	} {
		if err := guard.Check(netip.MustParseAddr(address)); err != nil {
			t.Errorf("%s is refused: %v", address, err)
		}
	}
}

func TestAnAddressThatAppearsIsRefusedFromThenOn(t *testing.T) {
	var host Host
	guard := NewFor(func() (Host, error) { return host, nil })
	address := netip.MustParseAddr("198.51.100.9")
	if err := guard.Check(address); err != nil {
		t.Fatal(err)
	}
	host.Interfaces = append(host.Interfaces, Interface{Name: "tun1", Prefixes: prefixes("198.51.100.9/32")})
	if guard.Check(address) == nil {
		t.Error("the host's new address can be reached")
	}
}

func TestNothingIsReachedWhenTheHostCannotBeAsked(t *testing.T) {
	guard := NewFor(func() (Host, error) { return Host{}, errors.New("no netlink") })
	if guard.Check(netip.MustParseAddr("198.51.100.9")) == nil {
		t.Error("an address is allowed though it may be the host's")
	}
}
