package etc

import (
	"errors"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ember.dev/guest/internal/identity"
)

const maxHostsBytes = 1 << 20

// Names is what /etc/hosts and /etc/hostname are made of.
type Names struct {
	Hostname string
	Network  *identity.Network
	Hosts    []identity.Host
}

// PlaceNames sets the host name and provides /etc/hostname and /etc/hosts.
func PlaceNames(n Names) error {
	changing.Lock()
	defer changing.Unlock()
	return errors.Join(
		unix.Sethostname([]byte(n.Hostname)),
		Place("/etc/hostname", n.Hostname+"\n"),
		Place(hostsPath, hostsFile(n, imageHosts())),
	)
}

// keptHosts is the image's own /etc/hosts, which ours covers.
const keptHosts = RuntimeDir + "/image-hosts"

// KeepImageHosts copies the image's /etc/hosts; to be called before PlaceNames covers it.
func KeepImageHosts() error {
	data, err := os.ReadFile(hostsPath)
	if err != nil || len(data) > maxHostsBytes {
		return nil // absent, or not something to copy into memory
	}
	if err := os.MkdirAll(RuntimeDir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(keptHosts, data, 0o644)
}

func imageHosts() string {
	data, err := os.ReadFile(keptHosts)
	if err != nil {
		return "" // the image had none
	}
	return string(data)
}

// hostsFile puts our own line first, since the first match wins, and keeps the image's. The other VMs come last, where
// they can come and go.
func hostsFile(n Names, imageHosts string) string {
	var b strings.Builder
	if !namesIn([]byte(imageHosts))["localhost"] {
		b.WriteString("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n")
	}
	b.WriteString(ownLine(n) + "\n" + imageHosts)
	if imageHosts != "" && !strings.HasSuffix(imageHosts, "\n") {
		b.WriteByte('\n')
	}
	return b.String() + joined(siblingLines([]byte(b.String()), n.Hosts))
}

func ownLine(n Names) string {
	address := "127.0.1.1"
	if n.Network != nil {
		address = n.Network.Address.Addr().String()
	}
	names := []string{n.Hostname}
	for _, host := range n.Hosts {
		if host.Address.String() == address && !slices.Contains(names, host.Name) {
			names = slices.Insert(names, 0, host.Name)
		}
	}
	return address + "\t" + strings.Join(names, " ")
}

// PlaceResolver provides /etc/resolv.conf; without a network or resolvers the image keeps its own.
func PlaceResolver(n *identity.Network) error {
	if n == nil || len(n.Resolvers) == 0 {
		return nil
	}
	return Place("/etc/resolv.conf", resolvConf(n))
}

func resolvConf(n *identity.Network) string {
	var b strings.Builder
	if len(n.SearchDomains) > 0 {
		b.WriteString("search " + strings.Join(n.SearchDomains, " ") + "\n")
	}
	for _, resolver := range n.Resolvers {
		b.WriteString("nameserver " + resolver.String() + "\n")
	}
	return b.String()
}
