package disk

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
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

// format is how a kind of file system keeps its superblock.
type format struct {
	offset int64
	bytes  int
	parse  func(raw []byte) (Superblock, error)
}

var formats = map[string]format{
	"ext4":  {ext4Offset, ext4Bytes, ParseExt4},
	"xfs":   {0, xfsBytes, ParseXFS},
	"btrfs": {btrfsOffset, btrfsBytes, ParseBtrfs},
}

// SuperblockOf reads that of a device.
func SuperblockOf(device, fsType string) (Superblock, error) {
	dev, err := os.Open(device)
	if err != nil {
		return Superblock{}, err
	}
	defer dev.Close() //nolint:errcheck // read-only
	return readSuperblock(dev, fsType)
}

func readSuperblock(device *os.File, fsType string) (Superblock, error) {
	format, known := formats[fsType]
	if !known {
		return Superblock{}, fmt.Errorf("superblock of %s: %s is not known", device.Name(), fsType)
	}
	raw := make([]byte, format.bytes)
	if _, err := device.ReadAt(raw, format.offset); err != nil {
		return Superblock{}, fmt.Errorf("read superblock of %s: %w", device.Name(), err)
	}
	return format.parse(raw)
}

func labelOf(field []byte) string {
	label, _, _ := bytes.Cut(field, []byte{0})
	return string(label)
}

func uuidOf(field []byte) string {
	id := hex.EncodeToString(field)
	return strings.Join([]string{id[:8], id[8:12], id[12:16], id[16:20], id[20:]}, "-")
}

// isBlockSize is true for the powers of two that file systems have blocks of.
func isBlockSize(size uint32) bool {
	return size >= 512 && size <= 65536 && size&(size-1) == 0
}
