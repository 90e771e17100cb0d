package main

import (
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"ember.dev/guest/internal/identity"
	"ember.dev/guest/internal/kmod"
	"ember.dev/guest/internal/netconf"
)

const (
	settingsPath = "/traffic.json" // in the initrd: the guest's identity.Network
	orderPort    = "/dev/ttyS1"    // the first serial port is the console
)

// runGuest is the whole of the guest: it never returns but with an error, upon
// which the kernel panics and the hypervisor ends.
func runGuest() error {
	for target, kind := range map[string]string{"/dev": "devtmpfs", "/proc": "proc", "/sys": "sysfs"} {
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(kind, target, kind, 0, ""); err != nil && err != unix.EBUSY {
			return fmt.Errorf("mount %s: %w", target, err)
		}
	}
	modules, err := kmod.List(kmod.Dir, kmod.BaseList)
	if err != nil {
		return err
	}
	kmod.LoadAll(modules, func(err error) { fmt.Fprintln(os.Stderr, "traffic:", err) })
	document, err := os.ReadFile(settingsPath)
	if err != nil {
		return err
	}
	var network identity.Network
	if err := json.Unmarshal(document, &network); err != nil {
		return fmt.Errorf("%s: %w", settingsPath, err)
	}
	if _, err := netconf.Configure(&network); err != nil {
		return err
	}
	port, err := openRaw(orderPort)
	if err != nil {
		return err
	}
	return takeOrders(port, port)
}

// openRaw opens a serial port that passes bytes on as they are.
func openRaw(path string) (*os.File, error) {
	port, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	settings, err := unix.IoctlGetTermios(int(port.Fd()), unix.TCGETS)
	if err != nil {
		return nil, err
	}
	settings.Iflag, settings.Oflag, settings.Lflag = 0, 0, 0
	settings.Cflag = unix.CS8 | unix.CREAD | unix.CLOCAL | unix.B115200
	return port, unix.IoctlSetTermios(int(port.Fd()), unix.TCSETS, settings)
}
