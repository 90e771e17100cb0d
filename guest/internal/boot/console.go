package boot

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	consoleLimit = time.Second
	consolePause = 2 * time.Millisecond
)

// hasVirtualConsole tells whether the kernel's console is a virtio device: it
// is mute until a driver, which may be a module, has found that.
func hasVirtualConsole(bootWords []string) bool {
	var last string
	for _, word := range bootWords {
		if name, found := strings.CutPrefix(word, "console="); found {
			last = name
		}
	}
	return strings.HasPrefix(last, "hvc")
}

// awaitConsole waits a moment for the console: its driver learns of the port
// from the device, some time after it was loaded.
func awaitConsole() bool {
	for deadline := time.Now().Add(consoleLimit); time.Now().Before(deadline); time.Sleep(consolePause) {
		if f, err := openConsole(); err == nil {
			_ = f.Close() // only a look
			return true
		}
	}
	return false
}

func openConsole() (*os.File, error) {
	return os.OpenFile("/dev/console", os.O_RDWR|unix.O_NOCTTY, 0)
}

// useConsole makes the console this process's standard streams: the kernel
// leaves them closed when the initramfs has no console node.
func useConsole() {
	f, err := openConsole()
	if err != nil {
		return
	}
	for fd := range 3 {
		_ = unix.Dup3(int(f.Fd()), fd, 0) // there is no better stream to complain on
	}
	_ = f.Close() // its duplicates stay
}
