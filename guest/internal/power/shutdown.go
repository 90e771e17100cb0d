package power

import (
	"context"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ember.dev/guest/internal/console"
	"ember.dev/guest/internal/disk"
	"ember.dev/guest/internal/entrypoint"
)

// A trim at the end is worth this much time at most, and leaves out what is
// too small for some storages to take back alone.
const (
	trimLimit   = 3 * time.Second
	trimMinimum = 64 << 10
)

// killGrace is how long everything has between SIGTERM and SIGKILL.
const killGrace = 2 * time.Second

// Shutdown knows how to end this guest.
type Shutdown struct {
	Console    *console.Console
	Entrypoint *entrypoint.Entrypoint
	StopSignal syscall.Signal
	// HasInit is true when process 1 is the image's init.
	HasInit bool
	// Reboots is true when the hypervisor exits on a reset only.
	Reboots bool
	Freezer *disk.Freezer

	once sync.Once
}

// Run ends the guest within about the timeout; a second call waits for the first.
func (s *Shutdown) Run(timeout time.Duration, reboot bool) {
	s.once.Do(func() {
		reboot = reboot || s.Reboots
		deadline := time.Now().Add(timeout)
		_, _ = s.Freezer.Thaw() // a frozen root could not be synced
		s.stopEntrypoint(timeout)
		if s.HasInit {
			trim(time.Until(deadline)) // its init may not leave the time for it later
		}
		if s.HasInit && askInit(reboot) {
			askAgainUntil(deadline, reboot)
			s.Console.Printf("the image's init did not power off within %s", timeout)
		}
		killAll()
		unix.Sync()
		if !s.HasInit {
			trim(time.Until(deadline))
		}
		_ = unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_RDONLY, "") // the sync has done what matters
		s.Console.Printf("powering off")
		Off(s.Console, reboot)
	})
}

// trim gives what the guest has freed back to the host, so that a stopped guest
// takes no more room than it needs. It may take a third of the time left; a
// disk that holds it up longer is not waited for.
func trim(left time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), min(trimLimit, left/3))
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = disk.Trim(ctx, trimMinimum) // a guest without discards powers off all the same
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// stopEntrypoint leaves an init half of the time for its own services.
func (s *Shutdown) stopEntrypoint(limit time.Duration) {
	if s.HasInit {
		limit /= 2
	}
	done := s.Entrypoint.Stop(s.StopSignal)
	if done == nil {
		return
	}
	select {
	case <-done:
	case <-time.After(limit):
	}
}

// killAll ends every process but the first and this one, which kill(-1) spares.
func killAll() {
	_ = syscall.Kill(-1, unix.SIGTERM) // fails when there is nobody
	deadline := time.Now().Add(killGrace)
	for userProcesses() && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	_ = syscall.Kill(-1, unix.SIGKILL) // as above
}

// userProcesses is true while anything but kernel threads, process 1 and this process runs.
func userProcesses() bool {
	dir, err := os.Open("/proc")
	if err != nil {
		return true
	}
	defer dir.Close() //nolint:errcheck // read-only
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		if name[0] < '1' || name[0] > '9' || name == "1" || name == self() {
			continue
		}
		// Kernel threads and zombies have no command line.
		if line, err := os.ReadFile("/proc/" + name + "/cmdline"); err == nil && len(line) > 0 {
			return true
		}
	}
	return false
}

func self() string {
	link, err := os.Readlink("/proc/self")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(link)
}
