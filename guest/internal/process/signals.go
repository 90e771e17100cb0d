package process

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// realtimeMin is SIGRTMIN as the C libraries number it; the kernel's own is 32.
const realtimeMin = 34

// ParseSignal accepts "SIGTERM", "TERM", "SIGRTMIN+3" and "15".
func ParseSignal(name string) (syscall.Signal, error) {
	if n, err := strconv.Atoi(name); err == nil && n > 0 && n <= 64 {
		return syscall.Signal(n), nil
	}
	upper := strings.ToUpper(name)
	if !strings.HasPrefix(upper, "SIG") {
		upper = "SIG" + upper
	}
	if offset, ok := strings.CutPrefix(upper, "SIGRTMIN"); ok {
		n, err := strconv.Atoi(strings.TrimPrefix(offset, "+"))
		if offset == "" || (err == nil && n >= 0 && n <= 30) {
			return syscall.Signal(realtimeMin + n), nil
		}
	}
	if sig := unix.SignalNum(upper); sig != 0 {
		return sig, nil
	}
	return 0, fmt.Errorf("unknown signal %q", name)
}
