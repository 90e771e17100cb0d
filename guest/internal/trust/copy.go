package trust

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// A folder of certificates has a few MiB; what has more is something else, and memory is short.
const maxCopyBytes = 24 << 20

// copyTree copies folders, files and symbolic links, with modes and owners. A folder that is missing is an empty one.
func copyTree(from, to string) error {
	if _, err := os.Lstat(from); errors.Is(err, os.ErrNotExist) {
		return os.MkdirAll(to, 0o755)
	}
	left := int64(maxCopyBytes)
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if left -= info.Size(); left < 0 {
			return errors.New("it is too large to be a folder of certificates")
		}
		return copyEntry(path, filepath.Join(to, name), info)
	})
}

// copyEntry copies one file, link or folder without what is in it. to does not exist, or is a folder and stays.
func copyEntry(from, to string, info fs.FileInfo) error {
	var err error
	switch mode := info.Mode(); {
	case mode.IsDir():
		if err = os.MkdirAll(to, 0o755); err == nil {
			err = os.Chmod(to, mode.Perm())
		}
	case mode&os.ModeSymlink != 0:
		var target string
		if target, err = os.Readlink(from); err == nil {
			err = os.Symlink(target, to)
		}
	case mode.IsRegular():
		var content []byte
		if content, err = os.ReadFile(from); err == nil {
			err = writeFile(to, content, mode.Perm())
		}
	default:
		return errors.New("it has a file that is neither a file, a folder nor a link")
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && err == nil && os.Geteuid() == 0 {
		err = os.Lchown(to, int(stat.Uid), int(stat.Gid))
	}
	return err
}

// writeFile is for a path that does not exist; the mode is as given, whatever the umask.
func writeFile(path string, content []byte, mode fs.FileMode) error {
	if err := os.WriteFile(path, content, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}
