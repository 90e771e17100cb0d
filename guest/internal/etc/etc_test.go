package etc

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ember.dev/guest/internal/identity"
)

func network() *identity.Network {
	return &identity.Network{
		MAC: identity.MAC{0x52, 0x54, 0, 1, 2, 3}, Address: netip.MustParsePrefix("10.100.0.3/29"),
		Gateway: netip.MustParseAddr("10.100.0.1"), Resolvers: []netip.Addr{netip.MustParseAddr("10.100.0.2")},
		MTU: 1400, SearchDomains: []string{"ember.internal"},
	}
}

func TestHostsPutsOursFirstAndKeepsTheImages(t *testing.T) {
	names := Names{Hostname: "web", Network: network(), Hosts: []identity.Host{
		{Name: "web.ember.internal", Address: netip.MustParseAddr("10.100.0.3")},
		{Name: "db.ember.internal", Address: netip.MustParseAddr("10.100.0.4")},
	}}
	got := hostsFile(names, "127.0.0.1 localhost\n1.2.3.4 kept")
	want := "10.100.0.3\tweb.ember.internal web\n127.0.0.1 localhost\n1.2.3.4 kept\n10.100.0.4\tdb.ember.internal db\t# ember\n"
	if got != want {
		t.Errorf("%q", got)
	}
	if got := hostsFile(Names{Hostname: "a"}, "# localhost\n"); !strings.HasPrefix(got, "127.0.0.1\tlocalhost\n") || !strings.Contains(got, "127.0.1.1\ta\n") {
		t.Errorf("%q", got)
	}
}

func TestResolverFile(t *testing.T) {
	if got := resolvConf(network()); got != "search ember.internal\nnameserver 10.100.0.2\n" {
		t.Errorf("%q", got)
	}
}

func TestServiceFilesNameTheInterface(t *testing.T) {
	got := networkFile(network())
	for _, want := range []string{"MACAddress=52:54:00:01:02:03", "Address=10.100.0.3/29", "Gateway=10.100.0.1", "DNS=10.100.0.2", "MTUBytes=1400", "KeepConfiguration=static"} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("%s is missing in %q", want, got)
		}
	}
	six := network()
	six.Address6, six.Gateway6 = netip.MustParsePrefix("fd00:1:2:3::3/64"), netip.MustParseAddr("fd00:1:2:3::1")
	for _, want := range []string{"Address=10.100.0.3/29\nAddress=fd00:1:2:3::3/64", "[Route]\nGateway=fd00:1:2:3::1"} {
		if !strings.Contains(networkFile(six), want+"\n") {
			t.Errorf("%s is missing in %q", want, networkFile(six))
		}
	}
	if strings.Contains(got, "GatewayOnLink") {
		t.Error("a gateway inside the prefix needs no on-link route")
	}
}

func TestMachineIDsAreStableAndDistinct(t *testing.T) {
	a, b := MachineID("vm-a"), MachineID("vm-b")
	if a != MachineID("vm-a") || a == b || len(a) != 32 || strings.Trim(a, "0123456789abcdef") != "" || a[12] != '4' {
		t.Errorf("%s %s", a, b)
	}
}

func TestFollowFindsWhereToPutAFile(t *testing.T) {
	dir, _ := filepath.EvalSymlinks(t.TempDir())
	at := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(at("real"), 0o755))
	must(os.WriteFile(at("plain"), nil, 0o644))
	must(os.Symlink("plain", at("link")))
	must(os.Symlink("real", at("dirlink")))
	must(os.Symlink("dirlink/deep/missing", at("dangling")))
	must(os.Symlink("loop", at("loop")))
	cases := []struct {
		path, target string
		exists       bool
	}{
		{"plain", "plain", true}, {"link", "plain", true},
		{"absent", "absent", false}, {"dangling", "real/deep/missing", false},
	}
	for _, c := range cases {
		target, exists, err := follow(at(c.path))
		if err != nil || target != at(c.target) || exists != c.exists {
			t.Errorf("%s: %s %v %v", c.path, target, exists, err)
		}
	}
	for _, bad := range []string{"loop", "real"} {
		if target, _, err := follow(at(bad)); err == nil {
			t.Errorf("%s gave %s", bad, target)
		}
	}
}
