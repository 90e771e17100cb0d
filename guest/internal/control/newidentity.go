package control

import (
	"errors"

	"ember.dev/guest/internal/identity"
)

const machineIDLength = 32

func (n NewIdentity) check() error {
	if n.Hostname != "" {
		if err := identity.CheckHostname(n.Hostname); err != nil {
			return err
		}
	}
	if n.VMID != "" && identity.CheckHostname(n.VMID) != nil {
		return errors.New("vmId is not a plain word")
	}
	if n.Network != nil {
		if err := n.Network.Check(); err != nil {
			return err
		}
	}
	if err := checkHosts(n.Hosts); err != nil {
		return err
	}
	if n.MachineID != "" && !isHex(n.MachineID, machineIDLength) {
		return errors.New("machineId is not 32 lower-case hexadecimal digits")
	}
	return nil
}

func isHex(s string, length int) bool {
	for i := 0; i < len(s); i++ {
		if (s[i] < '0' || s[i] > '9') && (s[i] < 'a' || s[i] > 'f') {
			return false
		}
	}
	return len(s) == length
}
