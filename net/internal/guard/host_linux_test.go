package guard

import (
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// inNamespace runs in a network namespace of its own, which ends with the test.
func inNamespace(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		if strings.Contains(os.Getenv("EMBER_REQUIRE"), "root") {
			t.Fatal("root is required")
		}
		t.Skip("network namespaces need root")
	}
	runtime.LockOSThread() // the thread is thrown away with its namespace
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
}

func ip(t *testing.T, arguments ...string) {
	t.Helper()
	if output, err := exec.Command("ip", arguments...).CombinedOutput(); err != nil {
		t.Fatalf("ip %v: %v: %s", arguments, err, output)
	}
}

func TestAddressesOfTheHostAreRefusedFromTheMomentTheyAppear(t *testing.T) {
	inNamespace(t)
	guard := New()
	refused := func(text string) bool { return guard.Check(netip.MustParseAddr(text)) != nil }
	if refused("198.51.100.7") || refused("2001:db8::7") || refused("10.109.0.2") {
		t.Fatal("the outside is refused")
	}
	ip(t, "link", "set", "lo", "up")
	ip(t, "tuntap", "add", "dev", "tun7", "mode", "tun")
	ip(t, "address", "add", "198.51.100.7/32", "peer", "198.51.100.8", "dev", "tun7")
	ip(t, "address", "add", "2001:db8::7/64", "dev", "tun7")
	if !refused("198.51.100.7") || !refused("2001:db8::7") {
		t.Error("a VPN's address can be reached")
	}
	if refused("198.51.100.8") {
		t.Error("the VPN's other end is refused")
	}
	ip(t, "tuntap", "add", "dev", "e0a1b0123456789", "mode", "tap")
	ip(t, "address", "add", "10.109.0.1/30", "dev", "e0a1b0123456789")
	if !refused("10.109.0.2") {
		t.Error("a VM of another installation can be reached")
	}
	ip(t, "link", "del", "tun7")
	if refused("198.51.100.7") {
		t.Error("the address stays refused")
	}
}

func BenchmarkCheck(b *testing.B) {
	guard := New()
	address := netip.MustParseAddr("198.51.100.7")
	for b.Loop() {
		if err := guard.Check(address); err != nil {
			b.Fatal(err)
		}
	}
}
