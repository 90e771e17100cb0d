// Package kmod loads the kernel modules that the initrd brings along for
// kernels whose virtio drivers are not built in.
package kmod

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Dir holds the modules and the lists of them.
const Dir = "/lib/modules/ember"

const (
	// BaseList names what every guest of the kernel loads.
	BaseList = "modules.load"
	// RootList names what only a guest needs whose root is on another file system than most.
	RootList = "root.load"
)

// List reads one of the lists in dir: one relative path per line, in load
// order. An absent file means built-in drivers.
func List(dir, list string) ([]string, error) {
	data, err := os.ReadFile(filepath.Join(dir, list))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var paths []string
	for line := range strings.SplitSeq(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if !filepath.IsLocal(line) {
			return nil, fmt.Errorf("%s names %q outside %s", list, line, dir)
		}
		paths = append(paths, filepath.Join(dir, line))
	}
	return paths, nil
}

// Split separates what boot must wait for from what may follow once the guest
// answers: a random source and a balloon are of no use to mounting or
// listening. Nor is a virtio console, unless it is the guest's only one.
func Split(paths []string, virtualConsole bool) (now, later []string) {
	for _, path := range paths {
		switch name := moduleName(path); {
		case name == "virtio_console" && virtualConsole:
			now = append(now, path)
		case slices.Contains(deferred, name):
			later = append(later, path)
		default:
			now = append(now, path)
		}
	}
	return now, later
}

var deferred = []string{"virtio_rng", "rng_core", "virtio_balloon", "virtio_console"}

func moduleName(path string) string {
	return strings.ReplaceAll(strings.TrimSuffix(filepath.Base(path), ".ko"), "-", "_")
}

// Open opens modules so that they can still be loaded when the initramfs is gone.
func Open(paths []string) []*os.File {
	var files []*os.File
	for _, path := range paths {
		if f, err := os.Open(path); err == nil {
			files = append(files, f)
		}
	}
	return files
}

// Load inserts one module; being there already is success, and so is being for
// hardware that this guest does not have.
func Load(f *os.File) error {
	err := unix.FinitModule(int(f.Fd()), "", 0)
	if err == nil || err == unix.EEXIST || err == unix.ENODEV {
		return nil
	}
	return fmt.Errorf("load module %s: %w", filepath.Base(f.Name()), err)
}

// LoadAll inserts modules in order and reports each failure to warn.
func LoadAll(paths []string, warn func(error)) {
	for _, path := range paths {
		f, err := os.Open(path)
		if err == nil {
			err = Load(f)
			_ = f.Close() // read-only
		}
		if err != nil {
			warn(err)
		}
	}
}
