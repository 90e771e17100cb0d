// Package power ends a guest: through the image's init when there is one, by
// itself otherwise, and always so that the hypervisor process exits.
package power

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ember.dev/guest/internal/console"
)

// Off syncs, waits for the console's last byte and stops the machine. It never returns.
func Off(out *console.Console, reboot bool) {
	unix.Sync()
	out.Drain()
	how := unix.LINUX_REBOOT_CMD_POWER_OFF
	if reboot {
		how = unix.LINUX_REBOOT_CMD_RESTART
	}
	for {
		_ = unix.Reboot(how) // process 1 may not return whatever happens
		time.Sleep(time.Second)
	}
}

// BootReboots guesses, before the identity is known, how the hypervisor is made
// to exit: a reboot= boot argument is there for hypervisors that exit on reset.
func BootReboots() bool {
	for _, word := range BootWords() {
		if strings.HasPrefix(word, "reboot=") {
			return true
		}
	}
	return false
}

// BootWords are the words of the kernel's command line.
func BootWords() []string {
	data, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return nil
	}
	return strings.Fields(string(data))
}
