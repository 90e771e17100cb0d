package boot

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const newRoot = "/newroot"

// switchRoot makes the mounted disk "/" and frees the initramfs. This program
// keeps running from its deleted file, and can still start itself again
// through /proc/self/exe.
func switchRoot() error {
	for _, m := range early {
		target := filepath.Join(newRoot, m.target)
		_ = os.Mkdir(target, 0o755) // there already, or the move below says why not
		if err := unix.Mount(m.target, target, "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("move %s into the root file system: %w", m.target, err)
		}
	}
	if err := unix.Chdir(newRoot); err != nil {
		return err
	}
	emptyInitramfs()
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move the root file system to /: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return err
	}
	return unix.Chdir("/")
}

// emptyInitramfs removes files from memory, and makes sure that it is memory.
func emptyInitramfs() {
	var fs unix.Statfs_t
	if unix.Statfs("/", &fs) != nil || (fs.Type != unix.RAMFS_MAGIC && fs.Type != unix.TMPFS_MAGIC) {
		return
	}
	var st unix.Stat_t
	if unix.Lstat("/", &st) == nil {
		removeBelow("/", uint64(st.Dev))
	}
}

// removeBelow never leaves the file system it was started on.
func removeBelow(dir string, dev uint64) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		var st unix.Stat_t
		if unix.Lstat(path, &st) != nil || uint64(st.Dev) != dev {
			continue
		}
		if entry.IsDir() {
			removeBelow(path, dev)
		}
		_ = os.Remove(path) // what stays costs a little memory, no more
	}
}
