package trust

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"ember.dev/guest/internal/etc"
)

// runtimeDir is on a tmpfs.
const runtimeDir = etc.RuntimeDir + "/trust"

// onlyOurs is a file in runtime, for programs that add to authorities of their own.
const onlyOurs = "authorities.pem"

// cover is a folder of the image with its copy before it.
type cover struct {
	folder string // where programs look
	disk   string // where the image's own can still be reached
	shown  string // the copy
}

// Place makes these certificates trusted, beside those of the image. To be called once, before anything of the image runs.
func Place(certificates []string) error {
	if len(certificates) == 0 {
		return nil
	}
	authorities, err := parse(certificates)
	if err != nil {
		return err
	}
	p := planFor("/")
	covers, err := lay(p, "/", runtimeDir, authorities)
	if err != nil {
		return err
	}
	failures := []error{placeFiles(p, covers, authorities)}
	for _, c := range covers {
		failures = append(failures, c.mount())
	}
	return errors.Join(failures...)
}

// lay makes the copies of all folders that are covered, with the authorities in them, in the folder runtime.
func lay(p plan, root, runtime string, authorities []authority) ([]cover, error) {
	var covers []cover
	for i, folder := range p.covered {
		place := filepath.Join(runtime, strconv.Itoa(i))
		c := cover{folder: folder, disk: filepath.Join(place, "disk"), shown: filepath.Join(place, "shown")}
		if err := copyTree(filepath.Join(root, folder), c.shown); err != nil {
			return nil, fmt.Errorf("copy %s: %w", folder, err)
		}
		if err := os.WriteFile(filepath.Join(place, "folder"), []byte(folder), 0o644); err != nil {
			return nil, err
		}
		covers = append(covers, c)
	}
	failures := []error{os.WriteFile(filepath.Join(runtime, onlyOurs), add(nil, authorities), 0o644)}
	for _, file := range p.bundles {
		if path, found := shownAt(covers, file); found {
			content := add(readOrNothing(path), authorities)
			// A link is there only if it leads nowhere; where it would lead is on the disk.
			if _, err := os.Readlink(path); err == nil {
				failures = append(failures, os.Remove(path))
			}
			failures = append(failures, os.WriteFile(path, content, 0o644))
		}
	}
	for _, a := range authorities {
		for _, place := range p.anchors {
			if path, found := shownAt(covers, filepath.Join(place.folder, a.name+place.extension)); found {
				failures = append(failures, os.WriteFile(path, a.text, 0o644))
			}
		}
		if path, found := shownAt(covers, filepath.Join(p.hashed, a.name+".pem")); found && p.hashed != "" {
			failures = append(failures, os.WriteFile(path, a.text, 0o644), linkByHash(path, a.hash))
		}
	}
	return covers, errors.Join(failures...)
}

// linkByHash gives a certificate the first name that is free.
func linkByHash(path, hash string) error {
	for n := 0; ; n++ {
		err := os.Symlink(filepath.Base(path), filepath.Join(filepath.Dir(path), fmt.Sprintf("%s.%d", hash, n)))
		if !errors.Is(err, os.ErrExist) {
			return err
		}
	}
}

// placeFiles covers bundles that are among other files, one by one.
func placeFiles(p plan, covers []cover, authorities []authority) error {
	var failures []error
	for i, file := range p.bundles {
		if _, found := shownAt(covers, file); !found {
			source := filepath.Join(runtimeDir, fmt.Sprintf("file-%d", i))
			failures = append(failures, etc.PlaceFrom(source, file, string(add(readOrNothing(file), authorities))))
		}
	}
	return errors.Join(failures...)
}

// shownAt is where the copy of a file is, if a folder above it is covered.
func shownAt(covers []cover, file string) (string, bool) {
	for _, c := range covers {
		if rest, err := filepath.Rel(c.folder, file); err == nil && filepath.IsLocal(rest) {
			return filepath.Join(c.shown, rest), true
		}
	}
	return "", false
}

// mount shows the copy in place of the image's folder, which is made where it is missing.
func (c cover) mount() error {
	for _, folder := range []string{c.folder, c.disk} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mount(c.folder, c.disk, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s: %w", c.folder, err)
	}
	if err := unix.Mount(c.shown, c.folder, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("cover %s: %w", c.folder, err)
	}
	return nil
}

func readOrNothing(path string) []byte {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil // absent: then ours are all there are
	}
	return content
}
