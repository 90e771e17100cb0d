// Package disk mounts and maintains the root file system without any tool of
// the image: images need not have e2fsprogs or util-linux.
package disk

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// WaitFor polls until the block device node is there.
func WaitFor(device string, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		_, err := os.Stat(device)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("root device %s did not appear within %s", device, limit)
		}
		time.Sleep(pause)
	}
}

// unreplayed are the options that mount a file system without replaying its journal.
var unreplayed = map[string]string{"ext4": "noload", "xfs": "norecovery", "btrfs": "rescue=nologreplay"}

// Mount mounts the root file system on target.
func Mount(device, target, fsType string, readOnly bool) error {
	var flags uintptr
	if readOnly {
		flags |= unix.MS_RDONLY
	}
	options := ""
	mount := func(also string) error { return unix.Mount(device, target, fsType, flags, joined(options, also)) }
	err := mount("")
	if readOnly && (errors.Is(err, unix.EROFS) || errors.Is(err, unix.EACCES)) {
		// A journal that needs replay cannot be replayed on a device that is itself read-only.
		options = unreplayed[fsType]
		err = mount("")
	}
	if err == nil && fsType == "btrfs" {
		err = enterSubvolume(target, mount)
	}
	switch {
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("mount %s as root: this kernel has no driver for %s", device, fsType)
	case errors.Is(err, unix.EINVAL): // the reason is in the kernel's log alone
		return fmt.Errorf("mount %s (%s) as root: it is damaged, or made by a newer system than this kernel", device, fsType)
	case err != nil:
		return fmt.Errorf("mount %s (%s) as root: %w", device, fsType, err)
	}
	return nil
}

func joined(options, also string) string {
	if options == "" || also == "" {
		return options + also
	}
	return options + "," + also
}
