package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fiTrim is _IOWR('X', 121, struct fstrim_range).
const fiTrim = 0xC0185879

// trimBatch bounds how long one request may take: a request cannot be cut short.
const trimBatch = 4 << 30

// Trimmed says what a trim came to.
type Trimmed struct {
	Bytes uint64
	// Complete is false when the time was up before all was looked at.
	Complete bool
}

// Trim tells the disks which blocks are free, until all is done or ctx ends.
// Runs of free blocks shorter than minimum bytes are left out.
func Trim(ctx context.Context, minimum uint64) (Trimmed, error) {
	all, err := openMounted()
	if err != nil {
		return Trimmed{}, err
	}
	defer closeAll(all)
	slices.Reverse(all) // what lies in a file of another frees blocks there
	var sum Trimmed
	var failures []error
	capable := 0
	for _, m := range all {
		// What was deleted is free only once the journal says so.
		_ = unix.Syncfs(int(m.Fd())) // a trim of less does no harm
		bytes, err := m.trim(ctx, minimum)
		sum.Bytes += bytes
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOTTY) {
			continue
		}
		capable++
		if err != nil && ctx.Err() == nil {
			failures = append(failures, fmt.Errorf("trim %s: %w", m.point, err))
		}
	}
	if capable == 0 {
		failures = append(failures, errors.New("no disk of this guest takes discards"))
	}
	sum.Complete = ctx.Err() == nil
	return sum, errors.Join(failures...)
}

func (m mounted) trim(ctx context.Context, minimum uint64) (trimmed uint64, err error) {
	size := m.trimSpan()
	for start := uint64(0); start < size; start += trimBatch {
		if err := ctx.Err(); err != nil {
			return trimmed, err
		}
		span := struct{ start, length, minimum uint64 }{start, min(trimBatch, size-start), minimum}
		if size == wholeFileSystem {
			span.length = size
		}
		err := ioctlPointer(m.File, fiTrim, unsafe.Pointer(&span))
		if start > 0 && errors.Is(err, unix.EINVAL) {
			return trimmed, nil // the file system is smaller than its disk
		}
		if err != nil || size == wholeFileSystem {
			return trimmed + span.length, err
		}
		trimmed += span.length
	}
	return trimmed, nil
}

const wholeFileSystem = ^uint64(0)

// trimSpan is how far the addresses of the file system go: to the end of its
// disk, or where that is not so, all at once.
func (m mounted) trimSpan() uint64 {
	if m.fsType == "btrfs" { // has addresses of its own, and goes over what it has not given out yet each time
		return wholeFileSystem
	}
	raw, err := os.ReadFile(fmt.Sprintf("/sys/dev/block/%d:%d/size", m.major, m.minor))
	if err != nil {
		return wholeFileSystem
	}
	sectors, err := strconv.ParseUint(strings.TrimSpace(string(raw)), 10, 54)
	if err != nil || sectors == 0 {
		return wholeFileSystem
	}
	return sectors * 512
}
