package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	watched = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_CLOSE_WRITE | unix.IN_ONLYDIR
	// Tools write many files in a row.
	quiet = 300 * time.Millisecond
)

// Keep brings to the disk what programs change in the folders that Place has covered: what a distribution's tool installs
// there is to be there at the next start, too. It returns at once; warn is called for what cannot be kept.
func Keep(certificates []string, warn func(error)) {
	if len(certificates) == 0 {
		return
	}
	authorities, err := parse(certificates)
	covers := mounted(runtimeDir)
	if err != nil || len(covers) == 0 {
		return // Place has said so
	}
	changes, err := watch(covers)
	if err != nil {
		warn(fmt.Errorf("changes to certificates are not kept: %w", err))
		return
	}
	go keep(covers, authorities, changes, warn)
}

// keep runs for ever: the guest's end is its end.
func keep(covers []cover, authorities []authority, changes *watcher, warn func(error)) {
	for {
		for _, c := range covers {
			// To a disk that cannot be written, nothing that programs do is kept.
			if err := c.save(authorities); err != nil && !errors.Is(err, unix.EROFS) {
				warn(fmt.Errorf("keep the changes in %s: %w", c.folder, err))
			}
		}
		if err := changes.add(covers); err != nil { // folders may be new
			warn(err)
		}
		if err := changes.awaitQuiet(); err != nil {
			warn(fmt.Errorf("changes to certificates are no longer kept: %w", err))
			return
		}
	}
}

// mounted finds what Place has covered, which may have been in another process.
func mounted(runtime string) []cover {
	var covers []cover
	places, _ := filepath.Glob(filepath.Join(runtime, "*", "folder"))
	for _, path := range places {
		place := filepath.Dir(path)
		c := cover{folder: string(readOrNothing(path)), disk: filepath.Join(place, "disk"), shown: filepath.Join(place, "shown")}
		shown, err := os.Stat(c.shown)
		if err != nil {
			continue
		}
		if seen, err := os.Stat(c.folder); err == nil && os.SameFile(shown, seen) {
			covers = append(covers, c)
		}
	}
	return covers
}

// watcher tells of changes in folders.
type watcher struct {
	fd     int
	events *os.File // the same
}

func watch(covers []cover) (*watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	w := &watcher{fd: fd, events: os.NewFile(uintptr(fd), "inotify")}
	if err := w.add(covers); err != nil {
		return nil, errors.Join(err, w.events.Close())
	}
	return w, nil
}

// add watches every folder in the copies; one that is watched already stays so.
func (w *watcher) add(covers []cover) error {
	var failures []error
	for _, c := range covers {
		failures = append(failures, filepath.WalkDir(c.shown, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.IsDir() {
				return err
			}
			_, err = unix.InotifyAddWatch(w.fd, path, watched)
			return os.NewSyscallError("inotify_add_watch", err)
		}))
	}
	return errors.Join(failures...)
}

// awaitQuiet waits for a change, and then until none has come for a while.
func (w *watcher) awaitQuiet() error {
	events := make([]byte, 16<<10)
	if err := w.events.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	for {
		_, err := w.events.Read(events)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := w.events.SetReadDeadline(time.Now().Add(quiet)); err != nil {
			return err
		}
	}
}
