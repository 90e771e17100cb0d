// Package boot is the first process of a guest, from the kernel's hand-over to
// the moment when the image's init or the agent goes on.
package boot

import (
	"fmt"
	"os"
	"time"

	"ember.dev/guest/internal/clock"
	"ember.dev/guest/internal/console"
	"ember.dev/guest/internal/disk"
	"ember.dev/guest/internal/identity"
	"ember.dev/guest/internal/kmod"
	"ember.dev/guest/internal/power"
)

const (
	rootLimit = 10 * time.Second
	// Firmware and RTC clocks are seldom better than this.
	clockTolerance = 2 * time.Second
)

type boot struct {
	out       *console.Console
	document  []byte // the identity as the host wrote it
	id        *identity.Identity
	initramfs *os.File
	later     []*os.File // modules to load once the guest answers
	nic       string
	network   chan error
}

// Main is process 1. It never returns.
func Main() {
	b := &boot{out: console.OpenPath(os.DevNull)}
	err := b.run()
	if err == nil {
		select {} // the agent's goroutines are the guest from here on
	}
	b.out.Printf("fatal: %v", err)
	reboot := power.BootReboots()
	if b.id != nil {
		reboot = b.id.RebootsToPowerOff()
	}
	power.Off(b.out, reboot)
}

func (b *boot) run() error {
	if err := mountEarly(); err != nil {
		return err
	}
	b.out = console.Open()
	useConsole()
	virtual := hasVirtualConsole(power.BootWords())
	if err := b.loadModules(virtual); err != nil {
		return err
	}
	if virtual && awaitConsole() {
		useConsole()
	}
	b.probe()
	if err := b.takeIdentity(); err != nil {
		return err
	}
	b.startNetwork()
	if err := b.enterRoot(); err != nil {
		return err
	}
	if err := <-b.network; err != nil {
		return err
	}
	b.personalise()
	return b.goOn()
}

// probe answers the host's question whether this hypervisor runs guests at all.
func (b *boot) probe() {
	for _, word := range power.BootWords() {
		if word == "ember.probe" {
			b.out.Printf("probe ok")
			power.Off(b.out, power.BootReboots())
		}
	}
}

func (b *boot) loadModules(virtualConsole bool) error {
	paths, err := kmod.List(kmod.Dir, kmod.BaseList)
	if err != nil {
		return err
	}
	now, later := kmod.Split(paths, virtualConsole)
	kmod.LoadAll(now, func(err error) { b.out.Printf("%v", err) })
	b.later = kmod.Open(later)
	return nil
}

// takeIdentity reads the document and removes it: it holds the host key.
func (b *boot) takeIdentity() error {
	document, err := os.ReadFile(identity.Path)
	if err == nil {
		err = os.Remove(identity.Path)
	}
	if err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	if b.id, err = identity.Parse(document); err != nil {
		return err
	}
	b.document = document
	if b.id.BootTimeMs > 0 {
		// The host took the time before this kernel started.
		now := time.UnixMilli(b.id.BootTimeMs).Add(clock.SinceBoot())
		if _, err := clock.Correct(now, clockTolerance); err != nil {
			b.out.Printf("%v", err)
		}
	}
	return nil
}

func (b *boot) enterRoot() error {
	root := b.id.Root
	drivers, err := kmod.List(kmod.Dir, kmod.RootList)
	if err != nil {
		return err
	}
	kmod.LoadAll(drivers, func(err error) { b.out.Printf("%v", err) })
	if err := disk.WaitFor(root.Device, rootLimit); err != nil {
		return err
	}
	if err := os.MkdirAll(newRoot, 0o755); err != nil {
		return err
	}
	if err := disk.Mount(root.Device, newRoot, root.FSType, root.ReadOnly); err != nil {
		return err
	}
	if !root.ReadOnly {
		// Too small a disk is a nuisance, no reason not to boot.
		if _, _, err := disk.Grow(root.Device, newRoot, root.FSType, 0); err != nil {
			b.out.Printf("%v", err)
		}
	}
	if b.initramfs, err = switchRoot(); err != nil {
		return err
	}
	mountRuntime(b.warn)
	return nil
}

func (b *boot) warn(err error) {
	if err != nil {
		b.out.Printf("%v", err)
	}
}
