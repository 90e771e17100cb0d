package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// DefaultPath is what a container runtime uses when the image sets none.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Statuses that shells give for a command that did not start.
const (
	StatusNotFound      = 127
	StatusNotExecutable = 126
)

// ErrNotFound and ErrNotExecutable tell the two statuses apart.
var (
	ErrNotFound      = errors.New("command not found")
	ErrNotExecutable = errors.New("permission denied")
)

// Look finds the program for argv0 in the PATH of env, relative to dir.
func Look(argv0 string, env []string, dir string) (string, error) {
	if strings.Contains(argv0, "/") {
		return argv0, check(within(dir, argv0), argv0)
	}
	result := fmt.Errorf("%s: %w", argv0, ErrNotFound)
	if argv0 == "" {
		return "", result
	}
	path, set := Getenv(env, "PATH")
	if !set {
		path = DefaultPath
	}
	for _, entry := range filepath.SplitList(path) {
		candidate := filepath.Join(within(dir, entry), argv0)
		err := check(candidate, argv0)
		if err == nil {
			return candidate, nil
		}
		if errors.Is(err, ErrNotExecutable) {
			result = err
		}
	}
	return "", result
}

func within(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func check(path, argv0 string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: %w", argv0, ErrNotExecutable)
	case err != nil:
		return fmt.Errorf("%s: %w", argv0, ErrNotFound)
	case info.IsDir():
		return fmt.Errorf("%s: is a directory: %w", argv0, ErrNotExecutable)
	case info.Mode()&0o111 == 0:
		return fmt.Errorf("%s: %w", argv0, ErrNotExecutable)
	}
	return nil
}

// CheckDir explains a working directory that cannot be used; the error of a
// failed start alone does not say whether directory or program was at fault.
func CheckDir(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("working directory %s: %w", dir, errors.Unwrap(err))
	}
	if !info.IsDir() {
		return fmt.Errorf("working directory %s: %w", dir, syscall.ENOTDIR)
	}
	return nil
}

// StartStatus is the exit status that stands for a failed start.
func StartStatus(err error) int {
	if errors.Is(err, ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return StatusNotFound
	}
	return StatusNotExecutable
}
