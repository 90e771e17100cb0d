package disk

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func superblock(change func(raw []byte)) []byte {
	raw := make([]byte, ext4Bytes)
	binary.LittleEndian.PutUint16(raw[0x38:], ext4Magic)
	binary.LittleEndian.PutUint32(raw[0x4:], 1000)
	binary.LittleEndian.PutUint32(raw[0x18:], 2)
	binary.LittleEndian.PutUint32(raw[0x150:], 3)
	change(raw)
	return raw
}

func TestSuperblockGivesTheSize(t *testing.T) {
	s, err := ParseExt4(superblock(func([]byte) {}))
	if err != nil || s.BlockBytes != 4096 || s.Blocks != 1000 {
		t.Errorf("%+v, %v", s, err)
	}
	s, err = ParseExt4(superblock(func(raw []byte) { binary.LittleEndian.PutUint32(raw[0x60:], incompat64bit) }))
	if err != nil || s.Bytes() != (3<<32+1000)*4096 {
		t.Errorf("64bit: %+v, %v", s, err)
	}
}

func TestOtherFileSystemsAreRefused(t *testing.T) {
	for name, raw := range map[string][]byte{
		"zeros": make([]byte, ext4Bytes), "short": make([]byte, 100),
		"huge blocks": superblock(func(raw []byte) { raw[0x18] = 200 }),
	} {
		if s, err := ParseExt4(raw); err == nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// made is a file system that its own tool has made in a file; "" where there is no such tool.
func made(t *testing.T, tool string, bytes int64, args ...string) string {
	t.Helper()
	program, err := exec.LookPath(tool)
	if err != nil {
		t.Skipf("%s is not installed", tool)
	}
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, bytes); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(program, append(args, path)...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", tool, err, out)
	}
	return path
}

const uuid = "0f1e2d3c-0000-4000-8000-0123456789ab"

func TestSuperblocksOfRealFileSystemsAreRead(t *testing.T) {
	const bytes = 320 << 20
	for fsType, make := range map[string]func(t *testing.T) string{
		"ext4": func(t *testing.T) string {
			return made(t, "mke2fs", bytes, "-q", "-t", "ext4", "-b", "4096", "-L", "my root", "-U", uuid)
		},
		"xfs": func(t *testing.T) string {
			return made(t, "mkfs.xfs", bytes, "-q", "-L", "my root", "-m", "uuid="+uuid)
		},
		"btrfs": func(t *testing.T) string { return made(t, "mkfs.btrfs", bytes, "-q", "-L", "my root", "-U", uuid) },
	} {
		t.Run(fsType, func(t *testing.T) {
			path := make(t)
			s, err := SuperblockOf(path, fsType)
			if err != nil || s.Bytes() != bytes || s.BlockBytes != 4096 || s.Label != "my root" || s.UUID != uuid {
				t.Errorf("%+v, %v", s, err)
			}
			for other := range formats {
				if s, err := SuperblockOf(path, other); other != fsType && err == nil {
					t.Errorf("read as %s: %+v", other, s)
				}
			}
		})
	}
	if _, err := SuperblockOf(os.DevNull, "vfat"); err == nil {
		t.Error("vfat: no error")
	}
}

func TestImpossibleSuperblocksAreRefused(t *testing.T) {
	xfs, btrfs := make([]byte, xfsBytes), make([]byte, btrfsBytes)
	copy(xfs, xfsMagic)
	copy(btrfs[64:], btrfsMagic)
	for _, blockBytes := range []uint32{0, 1, 256, 4095, 1 << 17, 1 << 31} {
		binary.BigEndian.PutUint32(xfs[4:], blockBytes)
		binary.LittleEndian.PutUint32(btrfs[144:], blockBytes)
		if s, err := ParseXFS(xfs); err == nil {
			t.Errorf("xfs, blocks of %d: %+v", blockBytes, s)
		}
		if s, err := ParseBtrfs(btrfs); err == nil {
			t.Errorf("btrfs, blocks of %d: %+v", blockBytes, s)
		}
	}
}

func FuzzSuperblocks(f *testing.F) {
	f.Add([]byte(xfsMagic))
	f.Add(superblock(func([]byte) {}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for kind, format := range formats {
			for _, length := range []int{len(raw), format.bytes} {
				padded := make([]byte, length)
				copy(padded, raw)
				if s, err := format.parse(padded); err == nil && (s.BlockBytes < 512 || len(s.UUID) != 36) {
					t.Errorf("%s: %+v", kind, s)
				}
			}
		}
	})
}
