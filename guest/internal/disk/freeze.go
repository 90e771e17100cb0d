package disk

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The requests are _IOWR('X', 119|120, int).
const (
	fiFreeze = 0xC0045877
	fiThaw   = 0xC0045878
)

const (
	// A file system that is flushed faster than this has little left to be written while it is frozen.
	quickSync = 20 * time.Millisecond
	mostSyncs = 4
)

// freezable is a file system as the Freezer sees it.
type freezable interface {
	Sync() error
	Freeze() error
	Thaw() error
	Close() error
}

// Frozen says what a freeze came to.
type Frozen struct {
	// For is how long writes were held back.
	For time.Duration
	// Held is false when writes went on before Thaw was called, or had never been held back.
	Held bool
}

// Freezer holds writes to all file systems on disks back for a bounded time.
type Freezer struct {
	mu     sync.Mutex
	frozen []freezable // in the order in which they were frozen
	since  time.Time
	timer  *time.Timer // nil while not frozen
	find   func() ([]freezable, error)
}

// NewFreezer returns a Freezer for whatever is mounted when it is used.
func NewFreezer() *Freezer { return &Freezer{find: findFreezable} }

// Freeze flushes and blocks writes until Thaw or until the limit has passed,
// so that a host that dies in between cannot leave the guest stuck. Freezing
// what is frozen starts the limit anew.
func (f *Freezer) Freeze(limit time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.timer == nil {
		if err := f.freeze(); err != nil {
			return err
		}
	} else {
		f.timer.Stop()
	}
	var timer *time.Timer
	timer = time.AfterFunc(limit, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.timer == timer { // not renewed while this waited for the lock
			_, _ = f.thaw() // nobody left to tell
		}
	})
	f.timer = timer
	return nil
}

// Thaw lets writes go on; thawing what is not frozen succeeds.
func (f *Freezer) Thaw() (Frozen, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.thaw()
}

// freeze leaves all frozen or none. What was mounted last may lie in a file of
// what was mounted first, so it goes first: its last blocks must get there.
func (f *Freezer) freeze() error {
	all, err := f.find()
	if err != nil {
		return err
	}
	slices.Reverse(all)
	flush(all)
	f.since = time.Now()
	for i, fs := range all {
		err := fs.Freeze()
		if err == nil {
			f.frozen = append(f.frozen, fs)
			continue
		}
		_ = fs.Close() // read-only
		if errors.Is(err, unix.EOPNOTSUPP) {
			continue
		}
		for _, left := range all[i+1:] {
			_ = left.Close() // as above
		}
		_, _ = f.release() // the first failure is the one to tell
		return fmt.Errorf("freeze: %w", err)
	}
	return nil
}

// flush writes what is dirty while writers can go on, again and again until
// little is left: freezing waits for the rest while nobody can write.
func flush(all []freezable) {
	for range mostSyncs {
		begun := time.Now()
		for _, fs := range all {
			_ = fs.Sync() // freezing reports what is wrong
		}
		if time.Since(begun) < quickSync {
			return
		}
	}
}

func (f *Freezer) thaw() (Frozen, error) {
	if f.timer == nil {
		return Frozen{}, nil
	}
	f.timer.Stop()
	f.timer = nil
	held, err := f.release()
	return Frozen{For: time.Since(f.since), Held: held}, err
}

// release thaws in the opposite order: thawing writes to what lies below.
func (f *Freezer) release() (held bool, err error) {
	held = true
	for _, fs := range slices.Backward(f.frozen) {
		failure := fs.Thaw()
		if errors.Is(failure, unix.EINVAL) { // somebody else did
			held, failure = false, nil
		}
		err = errors.Join(err, failure)
		_ = fs.Close() // read-only
	}
	f.frozen = nil
	return held, err
}

func findFreezable() ([]freezable, error) {
	all, err := openMounted()
	found := make([]freezable, 0, len(all))
	for _, m := range all {
		found = append(found, m)
	}
	return found, err
}

// Sync writes out what is dirty.
func (m mounted) Sync() error { return unix.Syncfs(int(m.Fd())) }

func (m mounted) Freeze() error { return m.control(fiFreeze) }

func (m mounted) Thaw() error { return m.control(fiThaw) }

func (m mounted) control(request uintptr) error {
	if err := ioctlPointer(m.File, request, nil); err != nil {
		return fmt.Errorf("%s: %w", m.point, err)
	}
	return nil
}
