package trust

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTheCopyIsInPlaceOfTheFolderAndFilesInItCanBeRenamed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	runtime.LockOSThread() // for good: the thread's mounts end with it
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		t.Skipf("no mounts of its own: %v", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	l := lays(t, debian, newCertificate(t, "ember"))
	place := t.TempDir()
	for n, c := range l.covers {
		c.folder, c.disk = filepath.Join(l.root, c.folder), filepath.Join(place, "disk", filepath.Base(c.folder))
		if err := c.mount(); err != nil {
			t.Fatal(err)
		}
		defer unix.Unmount(c.disk, unix.MNT_DETACH)   //nolint:errcheck // for the folder to be removable
		defer unix.Unmount(c.folder, unix.MNT_DETACH) //nolint:errcheck // likewise
		l.covers[n] = c
	}
	bundle := filepath.Join(l.root, fallback)
	if err := os.WriteFile(bundle+".new", []byte(company), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(bundle+".new", bundle); err != nil {
		t.Errorf("as update-ca-certificates does: %v", err)
	}
	for _, c := range l.covers {
		if filepath.Base(c.folder) != "certs" {
			continue
		}
		if content := string(readOrNothing(filepath.Join(c.disk, filepath.Base(fallback)))); content != mozilla {
			t.Errorf("the disk has %q", content)
		}
		if err := c.save(l.authorities); err != nil {
			t.Error(err)
		}
		if content := string(readOrNothing(filepath.Join(c.disk, filepath.Base(fallback)))); content != company {
			t.Errorf("the disk has %q", content)
		}
	}
}
