package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// rootSubvolumes is what distributions call that of the root: Fedora, Ubuntu and Arch, Debian. openSUSE makes it the default one.
var rootSubvolumes = []string{"root", "@", "@rootfs"}

// enterSubvolume replaces the default subvolume, mounted at target, by the one
// that the root is in, when the default holds none. `mount` takes more options.
func enterSubvolume(target string, mount func(options string) error) error {
	if isRoot(target) {
		return nil
	}
	mounted := true
	for _, name := range rootSubvolumes {
		if mounted {
			if err := unix.Unmount(target, 0); err != nil {
				return err
			}
		}
		err := mount("subvol=" + name)
		if mounted = err == nil; mounted && isRoot(target) {
			return nil
		}
		if !mounted && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("subvolume %s: %w", name, err)
		}
	}
	return fmt.Errorf("neither its default subvolume nor any of %q has /etc, and /usr or /sbin/init", rootSubvolumes)
}

// isRoot tells what an operating system may be started from. Links may lead anywhere, so they are not followed.
func isRoot(folder string) bool {
	has := func(path string) bool {
		_, err := os.Lstat(filepath.Join(folder, path))
		return err == nil
	}
	return has("etc") && (has("usr") || has("sbin/init"))
}
