package boot

import (
	"os"
	"path/filepath"
	"strings"

	"ember.dev/guest/internal/identity"
	"ember.dev/guest/internal/rooted"
)

var initPaths = []string{"/sbin/init", "/lib/systemd/systemd", "/usr/lib/systemd/systemd", "/etc/init"}

// Mode decides who runs the guest, and with which init. An explicit mode is honoured.
func Mode(p identity.Process, root string) (mode, init string) {
	init = imageInit(root)
	switch {
	case p.Mode != identity.ModeAuto:
		return p.Mode, init
	case init != "":
		return identity.ModeInit, init
	case len(p.Argv) > 0:
		return identity.ModeEntrypoint, ""
	}
	return identity.ModeNone, ""
}

func imageInit(root string) string {
	for _, path := range initPaths {
		real, ok := executableIn(root, path)
		if !ok {
			continue
		}
		if strings.HasPrefix(filepath.Base(real), "busybox") && !inittabUsable(root) {
			continue // every busybox image has the link; without a table it is no init
		}
		return path
	}
	return ""
}

// inittabUsable tells a configured busybox from an image that merely carries
// the package's table: what the table starts at boot must exist.
func inittabUsable(root string) bool {
	data, err := os.ReadFile(rooted.Resolve(root, "/etc/inittab"))
	if err != nil {
		return false
	}
	starts := 0
	for line := range strings.SplitSeq(string(data), "\n") {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 4)
		if len(fields) < 4 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		command := strings.Fields(strings.TrimPrefix(fields[3], "-"))
		if len(command) == 0 {
			continue
		}
		switch fields[2] {
		case "sysinit", "wait", "once":
			if _, ok := executableIn(root, command[0]); !ok {
				return false
			}
			starts++
		case "respawn", "askfirst":
			starts++
		}
	}
	return starts > 0
}

func executableIn(root, path string) (real string, ok bool) {
	real = rooted.Resolve(root, path)
	info, err := os.Lstat(real)
	return real, err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
