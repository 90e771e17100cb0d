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

// Mount mounts the root file system on target.
func Mount(device, target, fsType string, readOnly bool) error {
	var flags uintptr
	if readOnly {
		flags |= unix.MS_RDONLY
	}
	err := unix.Mount(device, target, fsType, flags, "")
	if readOnly && fsType == "ext4" && (errors.Is(err, unix.EROFS) || errors.Is(err, unix.EACCES)) {
		// A journal that needs replay cannot be replayed on a device that is itself read-only.
		err = unix.Mount(device, target, fsType, flags, "noload")
	}
	if err != nil {
		return fmt.Errorf("mount %s (%s) as root: %w", device, fsType, err)
	}
	return nil
}
