package disk

import (
	"encoding/binary"
	"errors"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	xfsBytes = 512
	xfsMagic = "XFSB"
)

// ParseXFS reads the first 512 bytes of an XFS device. What is mounted may have
// another size by now: the kernel writes it past the cache that the device is read through.
func ParseXFS(raw []byte) (Superblock, error) {
	if len(raw) < xfsBytes || string(raw[:4]) != xfsMagic {
		return Superblock{}, errors.New("not an XFS file system")
	}
	blockBytes := binary.BigEndian.Uint32(raw[4:])
	if !isBlockSize(blockBytes) {
		return Superblock{}, errors.New("XFS superblock with an impossible block size")
	}
	return Superblock{
		BlockBytes: uint64(blockBytes), Blocks: binary.BigEndian.Uint64(raw[8:]),
		Label: labelOf(raw[108:120]), UUID: uuidOf(raw[32:48]),
	}, nil
}

const (
	// xfsGeometry is XFS_IOC_FSGEOMETRY_V1, _IOR('X', 100, struct xfs_fsop_geom_v1): the oldest, which all kernels have.
	xfsGeometry = 0x80705864
	// xfsGrowData is XFS_IOC_FSGROWFSDATA, _IOW('X', 110, struct xfs_growfs_data).
	xfsGrowData = 0x4010586E
)

// geometry is struct xfs_fsop_geom_v1 (xfs_fs.h).
type geometry struct {
	blockBytes, _, _, _, _, _, _, inodePercent uint32
	dataBlocks                                 uint64
	_                                          [72]byte
}

// growth is struct xfs_growfs_data.
type growth struct {
	blocks       uint64
	inodePercent uint32
	_            uint32
}

func geometryOf(root *os.File) (found geometry, err error) {
	err = ioctlPointer(root, xfsGeometry, unsafe.Pointer(&found))
	return found, err
}

func xfsSize(_, root *os.File) (size, error) {
	found, err := geometryOf(root)
	return size{uint64(found.blockBytes), found.dataBlocks}, err
}

// growXFS asks for so many blocks, and for the share of inodes as it is: the request sets both.
// Another growth that goes on is waited for.
func growXFS(root *os.File, wanted size) error {
	for {
		now, err := geometryOf(root)
		if err != nil || now.dataBlocks >= wanted.blocks {
			return err
		}
		err = ioctlPointer(root, xfsGrowData, unsafe.Pointer(&growth{blocks: wanted.blocks, inodePercent: now.inodePercent}))
		if err != unix.EWOULDBLOCK {
			return err
		}
		time.Sleep(growPause)
	}
}
