package identity

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MaxBytes bounds the document: command lines and environments fit many times over.
const MaxBytes = 4 << 20

const maxTrust = 16

// Parse reads and checks a document. What it returns may be printed on the
// console, written into /etc/hosts and used in paths without further checks.
func Parse(data []byte) (*Identity, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("identity: %d bytes, at most %d allowed", len(data), MaxBytes)
	}
	var id Identity
	if err := json.Unmarshal(data, &id); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	if id.Version != Version {
		return nil, fmt.Errorf("identity: version %d, this guest understands %d", id.Version, Version)
	}
	id.applyDefaults()
	if err := id.check(); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	return &id, nil
}

func (id *Identity) applyDefaults() {
	fallback := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	fallback(&id.Root.FSType, "ext4")
	fallback(&id.Process.Mode, ModeAuto)
	fallback(&id.Process.OnExit, "stay")
	fallback(&id.Process.StopSignal, "SIGTERM")
	fallback(&id.SessionUser, "root")
	fallback(&id.PowerOff, "poweroff")
	fallback(&id.Hostname, id.VMID)
}

func (id *Identity) check() error {
	if !isWord(id.VMID, 64) {
		return errors.New("vmId is not a plain word")
	}
	if err := CheckHostname(id.Hostname); err != nil {
		return err
	}
	if !strings.HasPrefix(id.Root.Device, "/dev/") || strings.Contains(id.Root.Device, "..") || !isText(id.Root.Device) {
		return errors.New("root.device is not a path under /dev")
	}
	if !isWord(id.Root.FSType, 16) {
		return errors.New("root.fsType is not a plain word")
	}
	if id.PowerOff != "poweroff" && id.PowerOff != "reboot" {
		return errors.New("powerOff is neither poweroff nor reboot")
	}
	if id.Network != nil {
		if err := id.Network.Check(); err != nil {
			return err
		}
	}
	for _, host := range id.Hosts {
		if CheckHostname(host.Name) != nil || !host.Address.IsValid() {
			return errors.New("hosts has an entry without a valid name and address")
		}
	}
	addresses := id.Agent.Listen
	if id.Agent.Publish != "" {
		addresses = append(slices.Clone(addresses), id.Agent.Publish)
	}
	for _, address := range addresses {
		if _, _, err := ParseListen(address); err != nil {
			return err
		}
	}
	if err := checkTrust(id.Trust); err != nil {
		return err
	}
	return id.Process.check()
}

// checkTrust wants each text to be one certificate and nothing else: it is put into the image's lists as it is.
func checkTrust(certificates []string) error {
	if len(certificates) > maxTrust {
		return fmt.Errorf("trust has more than %d certificates", maxTrust)
	}
	for _, text := range certificates {
		block, rest := pem.Decode([]byte(text))
		if block == nil || block.Type != "CERTIFICATE" || string(pem.EncodeToMemory(block)) != text || len(rest) > 0 {
			return errors.New("trust has a text that is not one certificate in PEM")
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("trust: %w", err)
		}
	}
	return nil
}

// Check verifies what the JSON types alone do not.
func (n *Network) Check() error {
	if len(n.MAC) != 6 {
		return errors.New("network.mac is not an Ethernet address")
	}
	if !n.Address.IsValid() {
		return errors.New("network.address is missing")
	}
	if n.Gateway.IsValid() && n.Gateway.Is4() != n.Address.Addr().Is4() {
		return errors.New("network.gateway and network.address are of different families")
	}
	if n.Address6.IsValid() && !n.Address6.Addr().Is6() {
		return errors.New("network.address6 is not of IPv6")
	}
	if n.Gateway6.IsValid() && (!n.Gateway6.Is6() || !n.Address6.IsValid()) {
		return errors.New("network.gateway6 is not of IPv6, or has no network.address6")
	}
	if n.MTU != 0 && (n.MTU < 68 || n.MTU > 65535) {
		return fmt.Errorf("network.mtu %d is out of range", n.MTU)
	}
	for _, domain := range n.SearchDomains {
		if CheckHostname(domain) != nil {
			return errors.New("network.searchDomains has an invalid name")
		}
	}
	return nil
}

func (p *Process) check() error {
	switch p.Mode {
	case ModeAuto, ModeInit, ModeEntrypoint, ModeNone:
	default:
		return errors.New("process.mode is not auto, init, entrypoint or none")
	}
	if p.OnExit != "stay" && p.OnExit != "poweroff" {
		return errors.New("process.onExit is neither stay nor poweroff")
	}
	if p.Mode == ModeEntrypoint && len(p.Argv) == 0 {
		return errors.New("process.mode is entrypoint but process.argv is empty")
	}
	for _, s := range append(append([]string{p.User, p.Workdir}, p.Argv...), p.Env...) {
		if strings.ContainsRune(s, 0) {
			return errors.New("process has a string with a NUL byte")
		}
	}
	for _, entry := range p.Env {
		if strings.IndexByte(entry, '=') < 1 {
			return errors.New("process.env has an entry that is not NAME=VALUE")
		}
	}
	return nil
}

// ParseListen splits "tcp:1022" or "vsock:1022".
func ParseListen(s string) (network string, port uint32, err error) {
	network, digits, _ := strings.Cut(s, ":")
	n, perr := strconv.ParseUint(digits, 10, 32)
	if perr != nil || (network != "tcp" && network != "vsock") || (network == "tcp" && n > 65535) {
		return "", 0, fmt.Errorf("agent.listen %q is not tcp:PORT or vsock:PORT", s)
	}
	return network, uint32(n), nil
}

// CheckHostname accepts letters, digits, '-', '_' and '.', up to the kernel's 64 bytes per
// label and 253 in all: whatever passes is safe in /etc/hosts and resolv.conf.
func CheckHostname(name string) error {
	bad := name == "" || len(name) > 253 || name[0] == '-' || name[0] == '.'
	for i := 0; i < len(name) && !bad; i++ {
		bad = !isWordByte(name[i]) && name[i] != '.'
	}
	if bad {
		return fmt.Errorf("%q is not a valid host name", name)
	}
	return nil
}

func isWord(s string, limit int) bool {
	for i := 0; i < len(s); i++ {
		if !isWordByte(s[i]) {
			return false
		}
	}
	return s != "" && len(s) <= limit
}

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

func isText(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}
