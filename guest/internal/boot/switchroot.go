package boot

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const newRoot = "/newroot"

// switchRoot makes the mounted disk "/" and returns the initramfs, now hidden
// below it, to be emptied later. This program keeps running when its file is
// deleted, and can still start itself again through /proc/self/exe.
func switchRoot() (initramfs *os.File, err error) {
	for _, m := range early {
		target := filepath.Join(newRoot, m.target)
		err := unix.Mount(m.target, target, "", unix.MS_MOVE, "")
		if err == unix.ENOENT {
			if err := os.Mkdir(target, 0o755); err != nil {
				return nil, fmt.Errorf("the root file system has no %s: %w", m.target, err)
			}
			err = unix.Mount(m.target, target, "", unix.MS_MOVE, "")
		}
		if err != nil {
			return nil, fmt.Errorf("move %s into the root file system: %w", m.target, err)
		}
	}
	if initramfs, err = os.Open("/"); err != nil {
		return nil, err
	}
	if err := unix.Chdir(newRoot); err != nil {
		return nil, err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return nil, fmt.Errorf("move the root file system to /: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return nil, err
	}
	return initramfs, unix.Chdir("/")
}
