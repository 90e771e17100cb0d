package kmod

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func list(t *testing.T, content string) ([]string, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, BaseList), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	paths, err := List(dir, BaseList)
	for i := range paths {
		paths[i], _ = filepath.Rel(dir, paths[i])
	}
	return paths, err
}

func TestListKeepsTheOrder(t *testing.T) {
	paths, err := list(t, "b/virtio_ring.ko\n\n# comment\r\n a.ko \n")
	if err != nil || !slices.Equal(paths, []string{"b/virtio_ring.ko", "a.ko"}) {
		t.Errorf("%q, %v", paths, err)
	}
}

func TestAbsentListMeansBuiltInDrivers(t *testing.T) {
	if paths, err := List(t.TempDir(), RootList); len(paths) != 0 || err != nil {
		t.Errorf("%q, %v", paths, err)
	}
}

func TestListStaysInItsFolder(t *testing.T) {
	for _, content := range []string{"../../x.ko\n", "/etc/x.ko\n"} {
		if paths, err := list(t, content); err == nil {
			t.Errorf("%q gave %q", content, paths)
		}
	}
}

func TestOnlyWhatBootNeedsIsLoadedFirst(t *testing.T) {
	paths := []string{"x/virtio_blk.ko", "rng-core.ko", "virtio-rng.ko", "virtio_console.ko", "vsock.ko", "virtio_balloon.ko"}
	now, later := Split(paths, false)
	if !slices.Equal(now, []string{"x/virtio_blk.ko", "vsock.ko"}) || len(later) != 4 {
		t.Errorf("%q %q", now, later)
	}
	now, later = Split(paths, true)
	if !slices.Equal(now, []string{"x/virtio_blk.ko", "virtio_console.ko", "vsock.ko"}) || len(later) != 3 {
		t.Errorf("with a virtual console: %q %q", now, later)
	}
}
