package disk

import (
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ext4ResizeFS is EXT4_IOC_RESIZE_FS, _IOW('f', 16, __u64).
const ext4ResizeFS = 0x40086610

// largerLimit is how long the kernel may take to hear of a disk's new size.
const largerLimit = 10 * time.Second

// Grow enlarges the mounted ext4 file system to the size of its device, which
// is waited for when it is to have at least so many bytes. Doing it again
// changes nothing. It returns the sizes in bytes before and after.
func Grow(device, mountPoint string, atLeast uint64) (before, after uint64, err error) {
	dev, err := os.Open(device)
	if err != nil {
		return 0, 0, err
	}
	defer dev.Close() //nolint:errcheck // read-only
	super, err := readSuperblock(dev)
	if err != nil {
		return 0, 0, err
	}
	deviceBytes, err := waitForBytes(dev, atLeast)
	if err != nil {
		return 0, 0, err
	}
	before = super.Bytes()
	wanted := deviceBytes / super.BlockBytes
	if wanted <= super.Blocks {
		return before, before, nil
	}
	root, err := os.Open(mountPoint)
	if err != nil {
		return before, before, err
	}
	defer root.Close() //nolint:errcheck // read-only
	if err := resize(root, wanted); err != nil {
		return before, before, fmt.Errorf("grow %s from %d to %d bytes: %w", device, before, wanted*super.BlockBytes, err)
	}
	if super, err = readSuperblock(dev); err != nil {
		return before, before, err
	}
	return before, super.Bytes(), nil
}

// resize enlarges the file system of root to so many blocks. The kernel does one
// at a time, for minutes where it has terabytes to go: one that somebody began
// and did not wait for is waited for, and then there may be nothing left to do.
func resize(root *os.File, blocks uint64) error {
	for {
		err := ioctlPointer(root, ext4ResizeFS, unsafe.Pointer(&blocks))
		if err != unix.EBUSY {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
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
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(arg))
	if errno != 0 {
		return errno
	}
	return nil
}
