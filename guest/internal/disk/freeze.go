package disk

import (
	"fmt"
	"os"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The requests are _IOWR('X', 119|120, int) and _IOWR('X', 121, struct fstrim_range).
const (
	fiFreeze = 0xC0045877
	fiThaw   = 0xC0045878
	fiTrim   = 0xC0185879
)

// Freezer holds writes to one file system back for a bounded time.
type Freezer struct {
	mountPoint string
	mu         sync.Mutex
	timer      *time.Timer // nil while not frozen
	ioctl      func(mountPoint string, request uintptr) error
}

// NewFreezer returns a Freezer for a mounted file system.
func NewFreezer(mountPoint string) *Freezer {
	return &Freezer{mountPoint: mountPoint, ioctl: freezeIoctl}
}

// Freeze flushes and blocks writes until Thaw or until the limit has passed,
// so that a host that dies in between cannot leave the guest stuck. Freezing
// what is frozen starts the limit anew.
func (f *Freezer) Freeze(limit time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.timer == nil {
		if err := f.ioctl(f.mountPoint, fiFreeze); err != nil {
			return fmt.Errorf("freeze %s: %w", f.mountPoint, err)
		}
	} else {
		f.timer.Stop()
	}
	var timer *time.Timer
	timer = time.AfterFunc(limit, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.timer == timer { // not renewed while this waited for the lock
			_ = f.thaw() // nobody left to tell
		}
	})
	f.timer = timer
	return nil
}

// Thaw lets writes go on; thawing what is not frozen succeeds.
func (f *Freezer) Thaw() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.thaw()
}

func (f *Freezer) thaw() error {
	if f.timer == nil {
		return nil
	}
	f.timer.Stop()
	f.timer = nil
	if err := f.ioctl(f.mountPoint, fiThaw); err != nil && err != unix.EINVAL {
		return fmt.Errorf("thaw %s: %w", f.mountPoint, err)
	}
	return nil
}

func freezeIoctl(mountPoint string, request uintptr) error {
	root, err := os.Open(mountPoint)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // read-only
	return ioctlPointer(root, request, nil)
}

// Trim gives unused blocks back to the host and returns how many bytes that were.
func Trim(mountPoint string) (uint64, error) {
	root, err := os.Open(mountPoint)
	if err != nil {
		return 0, err
	}
	defer root.Close() //nolint:errcheck // read-only
	span := struct{ start, length, minimum uint64 }{length: ^uint64(0)}
	if err := ioctlPointer(root, fiTrim, unsafe.Pointer(&span)); err != nil {
		return 0, fmt.Errorf("trim %s: %w", mountPoint, err)
	}
	return span.length, nil
}
