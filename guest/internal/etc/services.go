package etc

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"ember.dev/guest/internal/identity"
)

// PlaceServices tells the image's own network services, through their runtime
// folders, that the interface is configured: none of them may run DHCP on it,
// rename it or take its address away. All of it is in a tmpfs and ignored by
// images without the service in question.
func PlaceServices(nic string, n *identity.Network) error {
	files := map[string]string{
		// systemd would otherwise write the id below the mount to the disk, and a
		// fork of that disk would have it too.
		"/run/systemd/system/systemd-machine-id-commit.service": "",
	}
	if n != nil {
		// ifupdown would take the interface down when it is stopped, at a shutdown for instance.
		files["/run/systemd/system/networking.service.d/00-ember.conf"] = "[Service]\nExecStop=\nExecStop=-/sbin/ifdown -a --read-environment --exclude=lo --exclude=" + nic + "\n"
		files["/run/systemd/network/00-ember.link"] = linkFile(n)
		files["/run/systemd/network/00-ember.network"] = networkFile(n)
		files["/run/NetworkManager/conf.d/00-ember.conf"] = "[keyfile]\nunmanaged-devices=mac:" + n.MAC.String() + "\n"
		files["/run/network/ifstate"] = nic + "=" + nic + "\n"
		files["/run/network/ifstate."+nic] = nic + "\n"
		files["/run/ifstate"] = nic + "=" + nic + "\n"
		if len(n.Resolvers) > 0 {
			files["/run/systemd/resolved.conf.d/00-ember.conf"] = "[Resolve]\n" + resolveLines(n)
		}
	}
	var failures []error
	for path, content := range files {
		failures = append(failures, placeService(path, content))
	}
	return errors.Join(failures...)
}

func placeService(path, content string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if content == "" {
		err := os.Symlink(os.DevNull, path) // how systemd masks a unit
		if errors.Is(err, os.ErrExist) {
			return nil
		}
		return err
	}
	return os.WriteFile(path, []byte(content), 0o644)
}

// linkFile keeps udev from renaming the interface: ifupdown's state above goes by name.
func linkFile(n *identity.Network) string {
	return "[Match]\nMACAddress=" + n.MAC.String() + "\n\n[Link]\nNamePolicy=keep kernel\nMACAddressPolicy=none\n"
}

func networkFile(n *identity.Network) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[Match]\nMACAddress=%s\n\n[Link]\n", n.MAC)
	if n.MTU > 0 {
		fmt.Fprintf(&b, "MTUBytes=%d\n", n.MTU)
	}
	b.WriteString("\n[Network]\nDHCP=no\nIPv6AcceptRA=no\nKeepConfiguration=static\n")
	for _, address := range n.Addresses() {
		fmt.Fprintf(&b, "Address=%s\n", address)
	}
	b.WriteString(resolveLines(n))
	b.WriteString(routeSection(n.Gateway, n.Address))
	b.WriteString(routeSection(n.Gateway6, n.Address6))
	return b.String()
}

func routeSection(gateway netip.Addr, address netip.Prefix) string {
	if !gateway.IsValid() {
		return ""
	}
	section := fmt.Sprintf("\n[Route]\nGateway=%s\n", gateway)
	if !address.Contains(gateway) {
		section += "GatewayOnLink=yes\n"
	}
	return section
}

func resolveLines(n *identity.Network) string {
	var b strings.Builder
	for _, resolver := range n.Resolvers {
		fmt.Fprintf(&b, "DNS=%s\n", resolver)
	}
	if len(n.SearchDomains) > 0 {
		fmt.Fprintf(&b, "Domains=%s\n", strings.Join(n.SearchDomains, " "))
	}
	return b.String()
}
