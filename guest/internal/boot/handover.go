package boot

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ember.dev/guest/internal/cloudinit"
	"ember.dev/guest/internal/disk"
	"ember.dev/guest/internal/etc"
	"ember.dev/guest/internal/fstab"
	"ember.dev/guest/internal/guest"
	"ember.dev/guest/internal/identity"
	"ember.dev/guest/internal/process"
)

// agentLimit is how long the image's init waits for the agent.
const agentLimit = 10 * time.Second

// initEnv is what the kernel gives to an init.
var initEnv = []string{"HOME=/", "TERM=linux", "PATH=" + process.DefaultPath}

// goOn hands the guest to the image's init with the agent beside it, or stays.
func (b *boot) goOn() error {
	mode, init := Mode(b.id.Process, "/")
	if mode == identity.ModeInit {
		if init == "" {
			return errors.New("process.mode is init, but the image has no init")
		}
		return b.becomeInit(init)
	}
	b.document = nil
	b.warn(cloudinit.CheckUnread(b.id))
	prepareContainer(b.warn)
	spec := guest.Spec{Identity: b.id, Mode: mode, First: true, Initramfs: b.initramfs, Modules: b.later}
	if err := guest.Run(spec, b.out); err != nil {
		return err
	}
	spec.Settle(b.out)
	return nil
}

// becomeInit turns process 1 into the image's init; it returns only on failure.
func (b *boot) becomeInit(path string) error {
	b.warn(etc.PlaceServices(b.nic, b.id.Network))
	b.warn(fstab.PlaceUnits(b.disk()))
	b.warn(cloudinit.Place(b.id))
	if err := guest.StartAgent(b.document, b.initramfs, b.later, initEnv, agentLimit); err != nil {
		return err
	}
	unix.Umask(0o022)
	return fmt.Errorf("start the image's init %s: %w", path, syscall.Exec(path, []string{path}, initEnv))
}

// disk is what the image may know the root disk by.
func (b *boot) disk() fstab.Disk {
	root := fstab.Disk{Device: b.id.Root.Device}
	if super, err := disk.SuperblockOf(root.Device, b.id.Root.FSType); err == nil {
		root.Label, root.UUID = super.Label, super.UUID
	}
	return root
}
