package disk

import (
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// largerLimit is how long the kernel may take to hear of a disk's new size.
	largerLimit = 10 * time.Second
	growPause   = 100 * time.Millisecond
)

// size is that of a file system.
type size struct{ blockBytes, blocks uint64 }

func (s size) bytes() uint64 { return s.blockBytes * s.blocks }

// grower is how a kind of file system is enlarged while it is mounted.
type grower struct {
	size func(dev, root *os.File) (size, error)
	grow func(root *os.File, wanted size) error
}

var growers = map[string]grower{
	"ext4":  {ext4Size, growExt4},
	"xfs":   {xfsSize, growXFS},
	"btrfs": {btrfsSize, growBtrfs},
}

// Grow enlarges the mounted file system to the size of its device, which
// is waited for when it is to have at least so many bytes. Doing it again
// changes nothing. It returns the sizes in bytes before and after.
func Grow(device, mountPoint, fsType string, atLeast uint64) (before, after uint64, err error) {
	grower, known := growers[fsType]
	if !known {
		return 0, 0, fmt.Errorf("grow %s: a file system of the kind %s is left as it is", device, fsType)
	}
	dev, err := os.Open(device)
	if err != nil {
		return 0, 0, err
	}
	defer dev.Close() //nolint:errcheck // read-only
	root, err := os.Open(mountPoint)
	if err != nil {
		return 0, 0, err
	}
	defer root.Close() //nolint:errcheck // read-only
	now, err := grower.size(dev, root)
	if err != nil {
		return 0, 0, fmt.Errorf("size of the %s on %s: %w", fsType, device, err)
	}
	deviceBytes, err := waitForBytes(dev, atLeast)
	if err != nil {
		return 0, 0, err
	}
	before = now.bytes()
	wanted := size{now.blockBytes, deviceBytes / now.blockBytes}
	if wanted.blocks <= now.blocks {
		return before, before, nil
	}
	if err := grower.grow(root, wanted); err != nil {
		return before, before, fmt.Errorf("grow %s from %d to %d bytes: %w", device, before, wanted.bytes(), err)
	}
	if now, err = grower.size(dev, root); err != nil {
		return before, before, err
	}
	return before, now.bytes(), nil
}

func waitForBytes(dev *os.File, atLeast uint64) (uint64, error) {
	deadline := time.Now().Add(largerLimit)
	for {
		size, err := blockDeviceBytes(dev)
		if err != nil || size >= atLeast {
			return size, err
		}
		if time.Now().After(deadline) {
			return size, fmt.Errorf("%s has %d bytes, and not %d after %s", dev.Name(), size, atLeast, largerLimit)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func blockDeviceBytes(dev *os.File) (uint64, error) {
	var size uint64
	if err := ioctlPointer(dev, unix.BLKGETSIZE64, unsafe.Pointer(&size)); err != nil {
		return 0, fmt.Errorf("size of %s: %w", dev.Name(), err)
	}
	return size, nil
}

func ioctlPointer(f *os.File, request uintptr, arg unsafe.Pointer) error {
	_, err := ioctlAnswer(f, request, arg)
	return err
}

// ioctlAnswer also returns the number that some requests answer with.
func ioctlAnswer(f *os.File, request uintptr, arg unsafe.Pointer) (uintptr, error) {
	answer, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(arg))
	if errno != 0 {
		return 0, errno
	}
	return answer, nil
}
