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
	btrfsOffset = 65536
	btrfsBytes  = 4096
	btrfsMagic  = "_BHRfS_M"
)

// ParseBtrfs reads the 4096 bytes at 64 KiB of a btrfs device.
func ParseBtrfs(raw []byte) (Superblock, error) {
	if len(raw) < btrfsBytes || string(raw[64:72]) != btrfsMagic {
		return Superblock{}, errors.New("not a btrfs file system")
	}
	blockBytes := binary.LittleEndian.Uint32(raw[144:])
	if !isBlockSize(blockBytes) {
		return Superblock{}, errors.New("btrfs superblock with an impossible block size")
	}
	return Superblock{
		BlockBytes: uint64(blockBytes), Blocks: binary.LittleEndian.Uint64(raw[112:]) / uint64(blockBytes),
		Label: labelOf(raw[299:555]), UUID: uuidOf(raw[32:48]),
	}, nil
}

// Requests of linux/btrfs.h: _IOR(0x94, 31, ...), _IOWR(0x94, 30, ...) and _IOW(0x94, 3, ...).
const (
	btrfsFSInfo  = 0x8400941F
	btrfsDevInfo = 0xD000941E
	btrfsResize  = 0x50009403
)

// fsInfo is struct btrfs_ioctl_fs_info_args.
type fsInfo struct {
	maxID, devices uint64
	_              [16]byte
	_, sectorBytes uint32
	_              [984]byte
}

// devInfo is struct btrfs_ioctl_dev_info_args.
type devInfo struct {
	id          uint64
	_           [16]byte
	_, allBytes uint64
	_           [4056]byte
}

// volArgs is struct btrfs_ioctl_vol_args.
type volArgs struct {
	_    int64
	name [4088]byte
}

func btrfsDevice(root *os.File) (fs fsInfo, dev devInfo, err error) {
	if err = ioctlPointer(root, btrfsFSInfo, unsafe.Pointer(&fs)); err != nil {
		return fs, dev, err
	}
	if fs.devices != 1 {
		return fs, dev, fmt.Errorf("it has %d devices", fs.devices)
	}
	if !isBlockSize(fs.sectorBytes) {
		return fs, dev, fmt.Errorf("it has sectors of %d bytes", fs.sectorBytes)
	}
	dev.id = fs.maxID // of the only one
	err = ioctlPointer(root, btrfsDevInfo, unsafe.Pointer(&dev))
	return fs, dev, err
}

func btrfsSize(_, root *os.File) (size, error) {
	fs, dev, err := btrfsDevice(root)
	if err != nil {
		return size{}, err
	}
	return size{uint64(fs.sectorBytes), dev.allBytes / uint64(fs.sectorBytes)}, nil
}

// growBtrfs gives the file system all of its device, by the number that it has
// there: replacing a device leaves another than 1. The kernel answers with a
// number when it is at something that excludes this; that is waited for.
func growBtrfs(root *os.File, _ size) error {
	_, dev, err := btrfsDevice(root)
	if err != nil {
		return err
	}
	var args volArgs
	copy(args.name[:], fmt.Sprintf("%d:max", dev.id))
	for begun := time.Now(); ; time.Sleep(growPause) {
		busy, err := ioctlAnswer(root, btrfsResize, unsafe.Pointer(&args))
		if err != nil || busy == 0 {
			return err
		}
		if time.Since(begun) > exclusiveLimit {
			return unix.EBUSY
		}
	}
}

// exclusiveLimit is how long a balance, say, may keep a growth waiting; balances can take hours.
const exclusiveLimit = 20 * time.Second
