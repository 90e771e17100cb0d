package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	ext4Offset    = 1024
	ext4Bytes     = 1024
	ext4Magic     = 0xEF53
	incompat64bit = 0x80
)

// ParseExt4 reads the 1024 bytes at offset 1024 of an ext4 device.
func ParseExt4(raw []byte) (Superblock, error) {
	if len(raw) < ext4Bytes || binary.LittleEndian.Uint16(raw[0x38:]) != ext4Magic {
		return Superblock{}, errors.New("not an ext4 file system")
	}
	shift := binary.LittleEndian.Uint32(raw[0x18:])
	if shift > 6 {
		return Superblock{}, fmt.Errorf("ext4 superblock with block size exponent %d", shift)
	}
	blocks := uint64(binary.LittleEndian.Uint32(raw[0x4:]))
	if binary.LittleEndian.Uint32(raw[0x60:])&incompat64bit != 0 {
		blocks |= uint64(binary.LittleEndian.Uint32(raw[0x150:])) << 32
	}
	return Superblock{
		BlockBytes: 1024 << shift, Blocks: blocks, Label: labelOf(raw[0x78:0x88]), UUID: uuidOf(raw[0x68:0x78]),
	}, nil
}

// ext4ResizeFS is EXT4_IOC_RESIZE_FS, _IOW('f', 16, __u64).
const ext4ResizeFS = 0x40086610

func ext4Size(dev, _ *os.File) (size, error) {
	super, err := readSuperblock(dev, "ext4")
	return size{super.BlockBytes, super.Blocks}, err
}

// growExt4 enlarges the file system of root to so many blocks. The kernel does one
// at a time, for minutes where it has terabytes to go: one that somebody began
// and did not wait for is waited for, and then there may be nothing left to do.
func growExt4(root *os.File, wanted size) error {
	for {
		err := ioctlPointer(root, ext4ResizeFS, unsafe.Pointer(&wanted.blocks))
		if err != unix.EBUSY {
			return err
		}
		time.Sleep(growPause)
	}
}
