package etc

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
)

const machineIDPath = "/etc/machine-id"

// MachineID derives the systemd machine id of a VM: stable for the VM, different for every other.
func MachineID(vmID string) string {
	sum := sha256.Sum256([]byte("ember machine-id " + vmID))
	// The version and variant bits of a random UUID, which the format asks for.
	sum[6] = sum[6]&0x0f | 0x40
	sum[8] = sum[8]&0x3f | 0x80
	return hex.EncodeToString(sum[:16])
}

// PlaceMachineID provides an id when the image has none. An image that has one keeps it.
func PlaceMachineID(id string) error {
	current, err := os.ReadFile(machineIDPath)
	text := strings.TrimSpace(string(current))
	if err == nil && text != "" && text != "uninitialized" {
		return nil
	}
	return ReplaceMachineID(id)
}

// ReplaceMachineID provides an id whatever the image has.
func ReplaceMachineID(id string) error { return Place(machineIDPath, id+"\n") }
