// Package identity is the one document that tells a guest who it is. The host
// writes it into the last part of the initrd; nothing else is configured.
package identity

import (
	"net"
	"net/netip"
)

// Path is where the initramfs carries the document.
const Path = "/ember/identity.json"

// Version is the only document version this binary understands.
const Version = 1

// Process modes.
const (
	ModeAuto       = "auto"
	ModeInit       = "init"
	ModeEntrypoint = "entrypoint"
	ModeNone       = "none"
)

// Identity is the whole document. Fields it does not name are ignored, so that
// a newer host can talk to an older guest.
type Identity struct {
	Version     int      `json:"version"`
	VMID        string   `json:"vmId"`
	Hostname    string   `json:"hostname"`
	BootTimeMs  int64    `json:"bootTimeMs"`
	Root        Root     `json:"root"`
	Network     *Network `json:"network"`
	Hosts       []Host   `json:"hosts"`
	Agent       Agent    `json:"agent"`
	Process     Process  `json:"process"`
	SessionUser string   `json:"sessionUser"`
	PowerOff    string   `json:"powerOff"`
	// UserData is for the image's cloud-init, or empty.
	UserData string `json:"userData"`
	// Trust are certificates of authorities, PEM, one in each, that this guest trusts besides those of its image.
	Trust []string `json:"trust"`
}

// Root is the disk that becomes "/".
type Root struct {
	Device   string `json:"device"`
	FSType   string `json:"fsType"`
	ReadOnly bool   `json:"readOnly"`
}

// Network is the guest's only interface. A nil Network means loopback only.
type Network struct {
	MAC     MAC          `json:"mac"`
	Address netip.Prefix `json:"address"`
	Gateway netip.Addr   `json:"gateway"`
	// Address6 and Gateway6 are there when the guest has IPv6, too.
	Address6      netip.Prefix `json:"address6"`
	Gateway6      netip.Addr   `json:"gateway6"`
	Resolvers     []netip.Addr `json:"resolvers"`
	MTU           int          `json:"mtu"`
	SearchDomains []string     `json:"searchDomains"`
}

// Addresses are the interface's own, without those that are not there.
func (n *Network) Addresses() []netip.Prefix {
	all := []netip.Prefix{n.Address}
	if n.Address6.IsValid() {
		all = append(all, n.Address6)
	}
	return all
}

// Host is one more line of /etc/hosts.
type Host struct {
	Name    string     `json:"name"`
	Address netip.Addr `json:"address"`
}

// Agent says where to listen and whom to let in.
type Agent struct {
	Listen         []string `json:"listen"`
	HostKey        string   `json:"hostKey"`
	AuthorizedKeys []string `json:"authorizedKeys"`
	// Publish is where the hypervisor asks for the guest's services, and for its end, or empty.
	Publish string `json:"publish"`
}

// Process is the image's own command and how to treat it.
type Process struct {
	Mode       string   `json:"mode"`
	Argv       []string `json:"argv"`
	Explicit   bool     `json:"explicit"`
	Env        []string `json:"env"`
	User       string   `json:"user"`
	Workdir    string   `json:"workdir"`
	StopSignal string   `json:"stopSignal"`
	OnExit     string   `json:"onExit"`
}

// MAC is a hardware address in JSON text form.
type MAC net.HardwareAddr

// UnmarshalText accepts the usual colon form.
func (m *MAC) UnmarshalText(text []byte) error {
	parsed, err := net.ParseMAC(string(text))
	*m = MAC(parsed)
	return err
}

func (m MAC) String() string { return net.HardwareAddr(m).String() }

// RebootsToPowerOff is true when the hypervisor exits on a reset, not on a power-off.
func (id *Identity) RebootsToPowerOff() bool { return id.PowerOff == "reboot" }
