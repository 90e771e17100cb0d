// Package etc provides the few files in /etc that depend on the VM. They live
// in a tmpfs and are bind-mounted over the image's own, so that a disk never
// holds anything of the VM it was last used by.
package etc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// RuntimeDir is on a tmpfs; its files are what the bind mounts show.
const RuntimeDir = "/run/ember"

const maxLinks = 40

// Place makes path show content. It replaces content placed before in place,
// so that a running guest sees the change.
func Place(path, content string) error {
	return PlaceFrom(filepath.Join(RuntimeDir, filepath.Base(path)), path, content)
}

// PlaceFrom is Place with the file of the tmpfs that the mount shows.
func PlaceFrom(source, path, content string) error {
	_, err := os.Stat(source)
	mounted := err == nil
	if err := os.MkdirAll(filepath.Dir(source), 0o755); err != nil {
		return err
	}
	if err := write(source, content); err != nil {
		return err
	}
	if mounted {
		return nil
	}
	target, exists, err := follow(path)
	if err != nil {
		return fmt.Errorf("provide %s: %w", path, err)
	}
	if !exists {
		if err := create(target); err != nil {
			return fmt.Errorf("provide %s: %w", path, err)
		}
	}
	if strings.HasPrefix(target, "/run/") {
		// A service of the image (systemd-resolved, say) owns this file and will
		// replace it by renaming, which a mount point would not allow.
		return os.WriteFile(target, []byte(content), 0o644)
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s: %w", path, err)
	}
	return nil
}

// write gives the file at path, made if it is missing, this content.
func write(path, content string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		err = overwrite(f, int(info.Size()), []byte(content))
	}
	return errors.Join(err, f.Close())
}

// overwrite replaces what a file of `before` bytes holds. A reader meanwhile never finds it empty: what is left over
// becomes empty lines before it goes, and room is made before anything is changed.
func overwrite(f *os.File, before int, content []byte) error {
	padded := content
	if missing := before - len(content); missing > 0 {
		padded = append(bytes.Clone(content), bytes.Repeat([]byte("\n"), missing)...)
	} else if len(content) > 0 {
		err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, int64(len(content)))
		if err != nil && err != unix.EOPNOTSUPP {
			return os.NewSyscallError("fallocate", err)
		}
	}
	if _, err := f.WriteAt(padded, 0); err != nil {
		return err
	}
	return f.Truncate(int64(len(content)))
}

// follow resolves symbolic links up to the last existing or first missing name.
func follow(path string) (target string, exists bool, err error) {
	for range maxLinks {
		info, err := os.Lstat(path)
		if errors.Is(err, os.ErrNotExist) {
			return path, false, nil
		}
		if err != nil {
			return "", false, err
		}
		if info.Mode()&os.ModeSymlink == 0 {
			if !info.Mode().IsRegular() {
				return "", false, errors.New("it is not a regular file")
			}
			return path, true, nil
		}
		link, err := os.Readlink(path)
		if err != nil {
			return "", false, err
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(realDir(filepath.Dir(path)), link)
		}
		path = filepath.Clean(link)
		// /var/run is a link to /run nearly everywhere.
		path = filepath.Join(realDir(filepath.Dir(path)), filepath.Base(path))
	}
	return "", false, unix.ELOOP
}

// realDir resolves links among a path's directories as far as they exist.
func realDir(dir string) string {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real
	}
	if dir == "/" {
		return dir
	}
	return filepath.Join(realDir(filepath.Dir(dir)), filepath.Base(dir))
}

// create makes the empty file that a bind mount needs below it.
func create(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}
