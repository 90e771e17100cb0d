package disk

import (
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

func superblock(change func(raw []byte)) []byte {
	raw := make([]byte, superblockBytes)
	binary.LittleEndian.PutUint16(raw[0x38:], ext4Magic)
	binary.LittleEndian.PutUint32(raw[0x4:], 1000)
	binary.LittleEndian.PutUint32(raw[0x18:], 2)
	binary.LittleEndian.PutUint32(raw[0x150:], 3)
	change(raw)
	return raw
}

func TestSuperblockGivesTheSize(t *testing.T) {
	s, err := ParseSuperblock(superblock(func([]byte) {}))
	if err != nil || s.BlockBytes != 4096 || s.Blocks != 1000 {
		t.Errorf("%+v, %v", s, err)
	}
	s, err = ParseSuperblock(superblock(func(raw []byte) { binary.LittleEndian.PutUint32(raw[0x60:], incompat64bit) }))
	if err != nil || s.Bytes() != (3<<32+1000)*4096 {
		t.Errorf("64bit: %+v, %v", s, err)
	}
}

func TestOtherFileSystemsAreRefused(t *testing.T) {
	for name, raw := range map[string][]byte{
		"zeros": make([]byte, superblockBytes), "short": make([]byte, 100),
		"huge blocks": superblock(func(raw []byte) { raw[0x18] = 200 }),
	} {
		if s, err := ParseSuperblock(raw); err == nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

type ioctlLog struct {
	mu    sync.Mutex
	calls []uintptr
	err   error
}

func (l *ioctlLog) ioctl(_ string, request uintptr) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, request)
	return l.err
}

func (l *ioctlLog) is(want ...uintptr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Equal(l.calls, want)
}

func TestFreezeEndsByItself(t *testing.T) {
	log := &ioctlLog{}
	f := &Freezer{mountPoint: "/", ioctl: log.ioctl}
	if err := f.Freeze(20 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	for range 500 {
		if log.is(fiFreeze, fiThaw) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%x", log.calls)
}

func TestFreezingAgainExtendsAndThawIsIdempotent(t *testing.T) {
	log := &ioctlLog{}
	f := &Freezer{mountPoint: "/", ioctl: log.ioctl}
	for _, err := range []error{f.Thaw(), f.Freeze(time.Millisecond * 50), f.Freeze(time.Hour)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(100 * time.Millisecond)
	if !log.is(fiFreeze) {
		t.Errorf("after renewing: %x", log.calls)
	}
	_ = f.Thaw()
	_ = f.Thaw()
	if !log.is(fiFreeze, fiThaw) {
		t.Errorf("after thawing: %x", log.calls)
	}
}

func TestFailedFreezeLeavesNothingFrozen(t *testing.T) {
	log := &ioctlLog{err: errors.New("no")}
	f := &Freezer{mountPoint: "/", ioctl: log.ioctl}
	if f.Freeze(time.Hour) == nil {
		t.Error("no error")
	}
	if f.Thaw() != nil || !log.is(fiFreeze) {
		t.Errorf("%x", log.calls)
	}
}
