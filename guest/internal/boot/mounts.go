package boot

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

type mount struct {
	fsType, target string
	flags          uintptr
	data           string
}

const noExec = unix.MS_NOSUID | unix.MS_NOEXEC

// early is what this program itself needs; the mounts move to the new root.
var early = []mount{
	{"devtmpfs", "/dev", unix.MS_NOSUID, "mode=0755"},
	{"proc", "/proc", noExec | unix.MS_NODEV, ""},
	{"sysfs", "/sys", noExec | unix.MS_NODEV, ""},
}

// runtime is what every image expects; an image's init finds it mounted and goes on.
var runtime = []mount{
	{"devpts", "/dev/pts", noExec, "gid=5,mode=620,ptmxmode=666"},
	{"tmpfs", "/dev/shm", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"},
	{"tmpfs", "/run", unix.MS_NOSUID | unix.MS_NODEV, "mode=0755,size=20%"},
}

func mountEarly() error {
	for _, m := range early {
		if err := m.mount(); err != nil {
			return err
		}
	}
	return nil
}

func mountRuntime(warn func(error)) {
	for _, m := range runtime {
		warn(m.mount())
	}
	for name, target := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
	} {
		_ = os.Symlink(target, filepath.Join("/dev", name)) // there already: fine
	}
}

func (m mount) mount() error {
	if err := os.MkdirAll(m.target, 0o755); err != nil {
		return fmt.Errorf("mount point %s: %w", m.target, err)
	}
	err := unix.Mount(m.fsType, m.target, m.fsType, m.flags, m.data)
	if err != nil && err != unix.EBUSY { // the kernel may have mounted devtmpfs itself
		return fmt.Errorf("mount %s on %s: %w", m.fsType, m.target, err)
	}
	return nil
}

// prepareContainer gives images without an init what a container runtime would.
func prepareContainer(warn func(error)) {
	warn(mount{"cgroup2", "/sys/fs/cgroup", noExec | unix.MS_NODEV, "nsdelegate"}.mount())
	if _, err := os.Stat("/tmp"); os.IsNotExist(err) {
		if os.Mkdir("/tmp", 0o777) == nil {
			_ = os.Chmod("/tmp", 0o777|os.ModeSticky) // beyond the umask; a read-only root has none
		}
	}
	// Images that run as another user bind port 80 and ping, as they may in a container.
	for name, value := range map[string]string{
		"ip_unprivileged_port_start": "0", "ping_group_range": "0 2147483647",
	} {
		_ = os.WriteFile("/proc/sys/net/ipv4/"+name, []byte(value), 0o644) // kernels without it are rare
	}
	_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1024, Max: 524288}) // systemd's numbers
}
