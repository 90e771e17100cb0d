package trust

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// save brings what programs have changed in the copy to the disk, without the authorities that are ours.
func (c cover) save(authorities []authority) error {
	ours, err := c.filesOfOurs(authorities)
	if err != nil {
		return err
	}
	failures := []error{filepath.WalkDir(c.shown, func(path string, entry fs.DirEntry, err error) error {
		name, relErr := filepath.Rel(c.shown, path)
		if err != nil || relErr != nil || name == "." {
			return errors.Join(err, relErr)
		}
		if ours[name] {
			return nil
		}
		return c.saveEntry(name, entry, authorities)
	})}
	return errors.Join(append(failures, c.removeGone())...)
}

// filesOfOurs are files that have nothing but our authorities, or that lead to such a file.
func (c cover) filesOfOurs(authorities []authority) (map[string]bool, error) {
	ours := map[string]bool{}
	links := map[string]string{}
	err := filepath.WalkDir(c.shown, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(c.shown, path)
		if err != nil {
			return err
		}
		if entry.Type()&os.ModeSymlink != 0 {
			target, err := os.Readlink(path)
			links[name] = target
			ours[name] = strings.HasPrefix(filepath.Base(name), namePrefix) || strings.HasPrefix(filepath.Base(target), namePrefix)
			return err
		}
		rest, had, _ := remove(readOrNothing(path), authorities)
		ours[name] = had && !bytes.Contains(rest, []byte("-----BEGIN "))
		return nil
	})
	for name, target := range links {
		if !filepath.IsAbs(target) && ours[filepath.Join(filepath.Dir(name), target)] {
			ours[name] = true
		}
	}
	return ours, err
}

// saveEntry writes one entry of the copy to the disk where the two differ.
func (c cover) saveEntry(name string, entry fs.DirEntry, authorities []authority) error {
	disk := filepath.Join(c.disk, name)
	info, err := entry.Info()
	if errors.Is(err, os.ErrNotExist) {
		return nil // gone meanwhile: the next time says so
	}
	if err != nil {
		return err
	}
	before, err := os.Lstat(disk)
	switch {
	case err == nil && before.Mode().Type() != info.Mode().Type():
		if err := os.RemoveAll(disk); err != nil {
			return err
		}
	case err == nil && info.IsDir():
		return nil
	}
	if !info.Mode().IsRegular() {
		return c.saveOther(name, info)
	}
	return c.saveFile(name, info, authorities)
}

// saveOther is for folders and links.
func (c cover) saveOther(name string, info fs.FileInfo) error {
	shown, disk := filepath.Join(c.shown, name), filepath.Join(c.disk, name)
	if target, err := os.Readlink(shown); err == nil {
		if now, err := os.Readlink(disk); err == nil && now == target {
			return nil
		}
		_ = os.Remove(disk) // absent: fine
	}
	return copyEntry(shown, disk, info)
}

func (c cover) saveFile(name string, info fs.FileInfo, authorities []authority) error {
	disk := filepath.Join(c.disk, name)
	content, err := os.ReadFile(filepath.Join(c.shown, name))
	if errors.Is(err, os.ErrNotExist) {
		return nil // likewise
	}
	if err != nil {
		return err
	}
	rest, _, clean := remove(content, authorities)
	now, err := os.ReadFile(disk)
	if !clean || err == nil && bytes.Equal(bytes.TrimRight(now, "\n"), bytes.TrimRight(rest, "\n")) {
		return nil
	}
	return replace(disk, rest, info.Mode().Perm())
}

// replace writes a file as a whole or not at all.
func replace(path string, content []byte, mode fs.FileMode) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".ember-")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Chmod(mode), file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name()) // the first error says why
	}
	return err
}

// removeGone removes from the disk what is no longer in the copy, where all that the disk had was put.
func (c cover) removeGone() error {
	var gone []string
	err := filepath.WalkDir(c.disk, func(path string, entry fs.DirEntry, err error) error {
		name, relErr := filepath.Rel(c.disk, path)
		if err != nil || relErr != nil {
			return errors.Join(err, relErr)
		}
		if _, err := os.Lstat(filepath.Join(c.shown, name)); !errors.Is(err, os.ErrNotExist) {
			return nil
		}
		gone = append(gone, path)
		if entry.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
	failures := []error{err}
	for _, path := range gone {
		failures = append(failures, os.RemoveAll(path))
	}
	return errors.Join(failures...)
}
