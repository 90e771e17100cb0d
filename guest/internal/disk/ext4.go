package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
)

const (
	superblockOffset = 1024
	superblockBytes  = 1024
	ext4Magic        = 0xEF53
	incompat64bit    = 0x80
)

// Superblock holds the few fields that growing needs.
type Superblock struct {
	BlockBytes uint64
	Blocks     uint64
}

// Bytes is the size of the whole file system, its metadata included.
func (s Superblock) Bytes() uint64 { return s.Blocks * s.BlockBytes }

// ParseSuperblock reads the 1024 bytes at offset 1024 of an ext4 device.
func ParseSuperblock(raw []byte) (Superblock, error) {
	if len(raw) < superblockBytes || binary.LittleEndian.Uint16(raw[0x38:]) != ext4Magic {
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
	return Superblock{BlockBytes: 1024 << shift, Blocks: blocks}, nil
}

func readSuperblock(device *os.File) (Superblock, error) {
	raw := make([]byte, superblockBytes)
	if _, err := device.ReadAt(raw, superblockOffset); err != nil {
		return Superblock{}, fmt.Errorf("read superblock of %s: %w", device.Name(), err)
	}
	return ParseSuperblock(raw)
}
