package guest

import (
	"os"

	"golang.org/x/sys/unix"

	"ember.dev/guest/internal/console"
	"ember.dev/guest/internal/kmod"
	"ember.dev/guest/internal/trust"
)

// Settle does what can wait until the guest answers.
func (s Spec) Settle(out *console.Console) {
	for _, module := range s.Modules {
		if err := kmod.Load(module); err != nil {
			out.Printf("%v", err)
		}
		_ = module.Close() // read-only
	}
	freeInitramfs(s.Initramfs)
	trust.Keep(s.Identity.Trust, func(err error) { out.Printf("%v", err) })
}

// freeInitramfs removes what lies hidden below the root file system, and makes
// sure that it is memory that it frees.
func freeInitramfs(dir *os.File) {
	if dir == nil {
		return
	}
	var fs unix.Statfs_t
	if unix.Fstatfs(int(dir.Fd()), &fs) == nil && (fs.Type == unix.RAMFS_MAGIC || fs.Type == unix.TMPFS_MAGIC) {
		var st unix.Stat_t
		if unix.Fstat(int(dir.Fd()), &st) == nil {
			removeBelow(dir, uint64(st.Dev))
		}
	}
	_ = dir.Close() // read-only
}

// removeBelow never leaves the file system it was started on. What cannot be
// removed costs a little memory, no more.
func removeBelow(dir *os.File, dev uint64) {
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		at := int(dir.Fd())
		var st unix.Stat_t
		if unix.Fstatat(at, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || uint64(st.Dev) != dev {
			continue
		}
		flags := 0
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			flags = unix.AT_REMOVEDIR
			fd, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
			if err != nil {
				continue
			}
			below := os.NewFile(uintptr(fd), name)
			removeBelow(below, dev)
			_ = below.Close() // read-only
		}
		_ = unix.Unlinkat(at, name, flags)
	}
}
