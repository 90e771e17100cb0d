package netconf

import (
	"net"
	"net/netip"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"ember.dev/guest/internal/identity"
)

// inNamespace runs body in an empty network namespace with one interface, whose MAC it hands over.
func inNamespace(t *testing.T, body func(identity.MAC)) {
	t.Helper()
	runtime.LockOSThread() // and never back: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("no network namespace can be made here: %v", err)
	}
	mac := identity.MAC{0x52, 0x54, 0, 1, 2, 3}
	makeDummy(t, mac)
	body(mac)
}

// makeDummy adds an interface that leads nowhere.
func makeDummy(t *testing.T, mac identity.MAC) {
	t.Helper()
	s, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	kind := attribute(unix.IFLA_LINKINFO, attribute(unix.IFLA_INFO_KIND, []byte("dummy")))
	err = s.request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, make([]byte, unix.SizeofIfInfomsg),
		attribute(unix.IFLA_IFNAME, []byte("test0\x00")), attribute(unix.IFLA_ADDRESS, mac), kind)
	if err != nil {
		t.Skipf("this kernel makes no interface for tests: %v", err)
	}
}

func TestAnInterfaceGetsBothItsAddressesAndALargeMTU(t *testing.T) {
	inNamespace(t, func(mac identity.MAC) {
		network := &identity.Network{
			MAC: mac, MTU: 65520,
			Address: netip.MustParsePrefix("10.100.0.3/29"), Gateway: netip.MustParseAddr("10.100.0.1"),
			Address6: netip.MustParsePrefix("fd00:1:2:3::3/64"), Gateway6: netip.MustParseAddr("fd00:1:2:3::1"),
		}
		for range 2 { // doing it again changes nothing
			if name, err := Configure(network); err != nil || name != "test0" {
				t.Fatalf("%s %v", name, err)
			}
		}
		nic, err := net.InterfaceByName("test0")
		if err != nil {
			t.Fatal(err)
		}
		if nic.MTU != 65520 {
			t.Errorf("MTU %d", nic.MTU)
		}
		addresses, err := nic.Addrs()
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range network.Addresses() {
			if !has(addresses, want) {
				t.Errorf("%s is not among %v", want, addresses)
			}
		}
	})
}

func has(addresses []net.Addr, want netip.Prefix) bool {
	for _, address := range addresses {
		if address.String() == want.String() {
			return true
		}
	}
	return false
}
