package guard

import "net/netip"

// metadata addresses of clouds: who asks there may be given the host's credentials.
var metadata = map[netip.Addr]bool{
	netip.MustParseAddr("169.254.169.254"): true, // most clouds
	netip.MustParseAddr("fd00:ec2::254"):   true, // Amazon
	netip.MustParseAddr("fd20:ce::254"):    true, // Google
	netip.MustParseAddr("100.100.100.200"): true, // Alibaba
	netip.MustParseAddr("192.0.0.192"):     true, // Oracle, formerly
}

var (
	thisNetwork    = netip.MustParsePrefix("0.0.0.0/8")
	reserved       = netip.MustParsePrefix("240.0.0.0/4") // with the broadcast address
	multicast      = netip.MustParsePrefix("224.0.0.0/4")
	siteLocal      = netip.MustParsePrefix("fec0::/10")
	mapped         = netip.MustParsePrefix("::ffff:0:0/96")
	compatible     = netip.MustParsePrefix("::/96")
	translated     = netip.MustParsePrefix("::ffff:0:0:0/96") // SIIT
	nat64          = netip.MustParsePrefix("64:ff9b::/96")
	nat64Local     = netip.MustParsePrefix("64:ff9b:1::/48")
	sixToFour      = netip.MustParsePrefix("2002::/16")
	teredo         = netip.MustParsePrefix("2001::/32")
	relayed6to4    = netip.MustParsePrefix("192.88.99.0/24")
	isatapIDs      = [2][4]byte{{0, 0, 0x5e, 0xfe}, {2, 0, 0x5e, 0xfe}}
	discardPrefix  = netip.MustParsePrefix("100::/64")
	unspecifiedAny = [2]netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
)

// always says what is wrong with an address on any host, or "".
func always(address netip.Addr) string {
	switch {
	case !address.IsValid():
		return "no address"
	case address.Zone() != "":
		return "an address of one link"
	case metadata[address]:
		return "where clouds hand out credentials"
	case address == unspecifiedAny[0], address == unspecifiedAny[1]:
		return "the unspecified address, which means the host"
	case address.IsLoopback():
		return "the host's loopback"
	case address.IsLinkLocalUnicast(), siteLocal.Contains(address):
		return "an address of one link"
	case address.IsMulticast(), multicast.Contains(address):
		return "a multicast address"
	case thisNetwork.Contains(address), reserved.Contains(address), discardPrefix.Contains(address):
		return "an address that nobody has"
	// A packet never has these forms; a socket would make IPv4 of them, or a relay would.
	case address.Is4In6(), mapped.Contains(address), compatible.Contains(address), translated.Contains(address):
		return "an IPv4 address in another form"
	case nat64Local.Contains(address), teredo.Contains(address), relayed6to4.Contains(address):
		return "a way around through a relay"
	}
	return ""
}

// embedded gives the IPv4 address that a relay would make of an IPv6 address.
func embedded(address netip.Addr) (netip.Addr, bool) {
	if !address.Is6() {
		return netip.Addr{}, false
	}
	bytes := address.As16()
	switch {
	case nat64.Contains(address):
		return netip.AddrFrom4([4]byte(bytes[12:])), true
	case sixToFour.Contains(address):
		return netip.AddrFrom4([4]byte(bytes[2:6])), true
	case [4]byte(bytes[8:12]) == isatapIDs[0], [4]byte(bytes[8:12]) == isatapIDs[1]:
		return netip.AddrFrom4([4]byte(bytes[12:])), true
	}
	return netip.Addr{}, false
}
