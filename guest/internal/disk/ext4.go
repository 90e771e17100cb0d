package disk

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
)

const (
	superblockOffset = 1024
	superblockBytes  = 1024
	ext4Magic        = 0xEF53
	incompat64bit    = 0x80
)

// Superblock holds the few fields that are needed of one.
type Superblock struct {
	BlockBytes uint64
	Blocks     uint64
	Label      string
	UUID       string // in the usual form, lower case
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
	label, _, _ := bytes.Cut(raw[0x78:0x88], []byte{0})
	id := hex.EncodeToString(raw[0x68:0x78])
	uuid := strings.Join([]string{id[:8], id[8:12], id[12:16], id[16:20], id[20:]}, "-")
	return Superblock{BlockBytes: 1024 << shift, Blocks: blocks, Label: string(label), UUID: uuid}, nil
}

// SuperblockOf reads that of a device.
func SuperblockOf(device string) (Superblock, error) {
	dev, err := os.Open(device)
	if err != nil {
		return Superblock{}, err
	}
	defer dev.Close() //nolint:errcheck // read-only
	return readSuperblock(dev)
}

func readSuperblock(device *os.File) (Superblock, error) {
	raw := make([]byte, superblockBytes)
	if _, err := device.ReadAt(raw, superblockOffset); err != nil {
		return Superblock{}, fmt.Errorf("read superblock of %s: %w", device.Name(), err)
	}
	return ParseSuperblock(raw)
}
