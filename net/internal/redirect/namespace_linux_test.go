package redirect

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The lab's networks: the guest's cable, with the host at .1; and the outside, with the host at .1 as well.
const (
	cable      = "tap0"
	hostOfVM   = "10.100.0.1"
	guestOfVM  = "10.100.0.2"
	outside    = "198.51.100.2"
	insideMark = "EMBER_NET_LAB"
)

// inLab runs the test once more in network namespaces of its own, in which nothing of this host's network is.
func inLab(t *testing.T) (inside bool) {
	t.Helper()
	if os.Getenv(insideMark) != "" {
		return true
	}
	if reason := missing(); reason != "" {
		if strings.Contains(","+os.Getenv("EMBER_REQUIRE")+",", ",tap,") {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	command := exec.Command("unshare", "--net", "--mount", "--", os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=120s")
	command.Env = append(os.Environ(), insideMark+"=1")
	output, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(output), "--- PASS: "+t.Name()) {
		t.Fatalf("%v\n%s", err, output)
	}
	return false
}

func missing() string {
	if os.Getuid() != 0 {
		return "network namespaces need root"
	}
	for _, tool := range []string{"unshare", "ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			return tool + " is not installed"
		}
	}
	return ""
}

func run(t *testing.T, input string, args ...string) {
	t.Helper()
	command := exec.Command(args[0], args[1:]...)
	command.Stdin = strings.NewReader(input)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", args, err, output)
	}
}

// buildLab makes the namespaces guest and outside, each on a cable to this one, which routes between them.
func buildLab(t *testing.T) {
	t.Helper()
	run(t, "", "mount", "-t", "tmpfs", "none", "/run")
	commands := `
link set lo up
netns add guest
netns add outside
link add tap0 type veth peer name eth0 netns guest
link add out0 type veth peer name eth0 netns outside
address add 10.100.0.1/30 dev tap0
address add 198.51.100.1/24 dev out0
link set tap0 up
link set out0 up
-n guest address add 10.100.0.2/30 dev eth0
-n guest link set eth0 up
-n guest route add default via 10.100.0.1
-n outside address add 198.51.100.2/24 dev eth0
-n outside link set eth0 up
-n outside link set lo up
-n outside route add default via 198.51.100.1`
	for line := range strings.Lines(strings.TrimSpace(commands)) {
		run(t, "", append([]string{"ip"}, strings.Fields(line)...)...)
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// redirect is what a driver has the firewall do.
func redirect(t *testing.T, vm *VM) {
	t.Helper()
	tcp, dns := vm.Ports()
	run(t, fmt.Sprintf(`
table inet lab {
	set siblings { type ipv4_addr; flags interval; elements = { 10.100.0.0/16 } }
	chain redirecting {
		type nat hook prerouting priority dstnat;
		iifname "tap0" ip daddr 10.100.0.1 udp dport 53 redirect to :%[2]d
		iifname "tap0" ip daddr 10.100.0.1 tcp dport 53 redirect to :%[2]d
		iifname "tap0" ip daddr != @siblings meta l4proto tcp redirect to :%[1]d
	}
	chain input {
		type filter hook input priority filter; policy accept;
		iifname "tap0" ct status dnat tcp dport { %[1]d, %[2]d } accept
		iifname "tap0" ct status dnat udp dport %[2]d accept
		iifname "tap0" meta l4proto tcp reject with tcp reset
		iifname "tap0" drop
	}
	chain forward {
		type filter hook forward priority filter; policy accept;
		iifname "tap0" ip daddr @siblings accept
		iifname "tap0" udp dport 4444 accept
		iifname "tap0" reject with icmp type admin-prohibited
	}
}`, tcp, dns), "nft", "-f", "-")
}

// within does something in another namespace; sockets made there stay there.
func within(t *testing.T, namespace string, do func()) {
	t.Helper()
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		place, err := os.Open("/run/netns/" + namespace)
		if err == nil {
			defer place.Close()
			err = unix.Setns(int(place.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			do()
		}
		failed <- err
	}()
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
}

// dialFrom makes a connection of the guest.
func dialFrom(t *testing.T, network, address string) (conn net.Conn, err error) {
	t.Helper()
	within(t, "guest", func() { conn, err = net.Dial(network, address) })
	if conn != nil {
		t.Cleanup(func() { conn.Close() })
	}
	return conn, err
}

func listenOutside(t *testing.T, port int) (listener net.Listener) {
	t.Helper()
	var err error
	within(t, "outside", func() {
		listener, err = net.Listen("tcp4", netip.AddrPortFrom(netip.MustParseAddr(outside), uint16(port)).String())
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}
