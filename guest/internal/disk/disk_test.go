package disk

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// calls is what a Freezer did to its file systems, in order.
type calls struct {
	mu   sync.Mutex
	made []string
}

func (c *calls) is(want ...string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Equal(slices.DeleteFunc(slices.Clone(c.made), func(s string) bool { return strings.HasPrefix(s, "sync") }), want)
}

type fakeSystem struct {
	calls        *calls
	name         string
	freeze, thaw error
}

func (f fakeSystem) note(what string, err error) error {
	f.calls.mu.Lock()
	defer f.calls.mu.Unlock()
	f.calls.made = append(f.calls.made, what+" "+f.name)
	return err
}

func (f fakeSystem) Sync() error   { return f.note("sync", nil) }
func (f fakeSystem) Freeze() error { return f.note("freeze", f.freeze) }
func (f fakeSystem) Thaw() error   { return f.note("thaw", f.thaw) }
func (f fakeSystem) Close() error  { return nil }

// freezer has two file systems, of which the second was mounted last.
func freezer(freeze, thaw error) (*Freezer, *calls) {
	log := &calls{}
	return &Freezer{find: func() ([]freezable, error) {
		return []freezable{fakeSystem{log, "root", freeze, thaw}, fakeSystem{log, "loop", nil, nil}}, nil
	}}, log
}

func TestFreezeGoesUpwardsAndThawDownwards(t *testing.T) {
	f, log := freezer(nil, nil)
	if err := f.Freeze(time.Hour); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Millisecond)
	frozen, err := f.Thaw()
	if err != nil || !frozen.Held || frozen.For < 2*time.Millisecond {
		t.Errorf("%+v, %v", frozen, err)
	}
	if !log.is("freeze loop", "freeze root", "thaw root", "thaw loop") || log.made[0] != "sync loop" {
		t.Errorf("%v", log.made)
	}
	if frozen, err = f.Thaw(); err != nil || frozen.Held {
		t.Errorf("again: %+v, %v", frozen, err)
	}
}

func TestFreezeEndsByItselfAndSaysSo(t *testing.T) {
	f, log := freezer(nil, nil)
	if err := f.Freeze(20 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	for range 500 {
		if log.is("freeze loop", "freeze root", "thaw root", "thaw loop") {
			if frozen, err := f.Thaw(); err != nil || frozen.Held {
				t.Errorf("%+v, %v", frozen, err)
			}
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%v", log.made)
}

func TestFreezingAgainExtends(t *testing.T) {
	f, log := freezer(nil, nil)
	for _, err := range []error{f.Freeze(time.Millisecond * 50), f.Freeze(time.Hour)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(100 * time.Millisecond)
	if !log.is("freeze loop", "freeze root") {
		t.Errorf("after renewing: %v", log.made)
	}
	if frozen, err := f.Thaw(); err != nil || !frozen.Held {
		t.Errorf("%+v, %v", frozen, err)
	}
}

func TestFailedFreezeLeavesNothingFrozen(t *testing.T) {
	f, log := freezer(errors.New("no"), nil)
	if f.Freeze(time.Hour) == nil {
		t.Error("no error")
	}
	if frozen, err := f.Thaw(); err != nil || frozen.Held || !log.is("freeze loop", "freeze root", "thaw loop") {
		t.Errorf("%+v, %v, %v", frozen, err, log.made)
	}
}

func TestFileSystemsThatCannotBeFrozenAreLeftOut(t *testing.T) {
	f, log := freezer(fmt.Errorf("/boot: %w", unix.EOPNOTSUPP), nil)
	if err := f.Freeze(time.Hour); err != nil {
		t.Fatal(err)
	}
	if frozen, err := f.Thaw(); err != nil || !frozen.Held || !log.is("freeze loop", "freeze root", "thaw loop") {
		t.Errorf("%+v, %v, %v", frozen, err, log.made)
	}
}

func TestSomebodyElsesThawIsNoticed(t *testing.T) {
	f, _ := freezer(nil, fmt.Errorf("/: %w", unix.EINVAL))
	if err := f.Freeze(time.Hour); err != nil {
		t.Fatal(err)
	}
	if frozen, err := f.Thaw(); err != nil || frozen.Held {
		t.Errorf("%+v, %v", frozen, err)
	}
}

func TestMountsAreRead(t *testing.T) {
	info := `22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
23 22 0:21 / /proc rw - proc proc rw
24 22 7:0 / /a\040b\134c rw shared:1 master:2 - xfs /dev/loop0 rw,attr2
25 22 7:1 / /ro rw - ext4 /dev/loop1 ro
26 22 7:2 / /short
27 22 0:40 /sub /data ro - btrfs /dev/loop2 rw
bad`
	want := []mountEntry{{"/", "ext4", 254, 0}, {`/a b\c`, "xfs", 7, 0}, {"/data", "btrfs", 0, 40}}
	if got := parseMounts(info); !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}
