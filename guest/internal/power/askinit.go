package power

import (
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Signals to systemd as process 1: SIGRTMIN+4 and +5, counted from the C
// library's SIGRTMIN, 34.
const (
	systemdPowerOff = syscall.Signal(38)
	systemdReboot   = syscall.Signal(39)
)

// askInit asks the image's init to stop the machine; false when it cannot be asked.
func askInit(reboot bool) bool {
	if initIsSystemd() {
		return signalSystemd(reboot)
	}
	command, sig := "poweroff", unix.SIGUSR2 // busybox and its relatives
	if reboot {
		command, sig = "reboot", unix.SIGTERM
	}
	for _, dir := range []string{"/sbin/", "/usr/sbin/", "/bin/", "/usr/bin/"} {
		if info, err := os.Stat(dir + command); err == nil && info.Mode()&0o111 != 0 {
			if runDetached(dir+command) == nil {
				return true
			}
		}
	}
	return syscall.Kill(1, sig) == nil
}

// askAgainUntil repeats what systemd may not have heard: until it has set its
// signals up, the kernel drops those to process 1. Hearing one twice changes nothing.
func askAgainUntil(deadline time.Time, reboot bool) {
	for time.Until(deadline) > 0 {
		time.Sleep(min(askInterval, time.Until(deadline)))
		if initIsSystemd() {
			signalSystemd(reboot)
		}
	}
}

const askInterval = time.Second

func initIsSystemd() bool {
	exe, err := os.Readlink("/proc/1/exe")
	return err == nil && filepath.Base(exe) == "systemd"
}

func signalSystemd(reboot bool) bool {
	sig := systemdPowerOff
	if reboot {
		sig = systemdReboot
	}
	return syscall.Kill(1, sig) == nil
}

// runDetached starts a program that nobody waits for: this machine is about to end.
func runDetached(path string) error {
	_, err := syscall.ForkExec(path, []string{path}, &syscall.ProcAttr{
		Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	return err
}
