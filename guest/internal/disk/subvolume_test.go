package disk

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestARootIsToldByWhatIsInIt(t *testing.T) {
	for _, c := range []struct {
		paths []string
		root  bool
	}{
		{[]string{"etc", "usr"}, true},
		{[]string{"etc", "sbin/init"}, true},
		{[]string{"etc"}, false},
		{[]string{"usr", "sbin/init"}, false},
		{[]string{"root", "home"}, false},
	} {
		folder := t.TempDir()
		for _, path := range c.paths {
			if err := os.MkdirAll(filepath.Join(folder, path), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if isRoot(folder) != c.root {
			t.Errorf("%q: %v", c.paths, !c.root)
		}
	}
}

func TestADefaultSubvolumeThatIsARootIsKept(t *testing.T) {
	folder := t.TempDir()
	for _, path := range []string{"etc", "usr"} {
		if err := os.Mkdir(filepath.Join(folder, path), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	err := enterSubvolume(folder, func(string) error { return unix.EIO })
	if err != nil {
		t.Error(err)
	}
}

func TestModesOfMountingAreJoined(t *testing.T) {
	for _, c := range [][3]string{{"", "", ""}, {"a", "", "a"}, {"", "b", "b"}, {"a", "b", "a,b"}} {
		if got := joined(c[0], c[1]); got != c[2] {
			t.Errorf("%q and %q: %q", c[0], c[1], got)
		}
	}
}

func TestAFileSystemOfAnotherKindIsNotGrown(t *testing.T) {
	if _, _, err := Grow(os.DevNull, "/", "vfat", 0); err == nil || errors.Is(err, unix.ENOTTY) {
		t.Errorf("%v", err)
	}
}
