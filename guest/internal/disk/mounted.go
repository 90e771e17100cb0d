package disk

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// onDisks are the file systems that lie on a disk, can be frozen, and say what is free.
var onDisks = []string{"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs"}

// mountEntry is what a line of /proc/self/mountinfo says.
type mountEntry struct {
	point, fsType string
	major, minor  uint32
}

// mounted is a file system that can be written to, held open so that it can be
// asked again whatever becomes of its path.
type mounted struct {
	*os.File
	mountEntry
}

// openMounted opens each writable file system on a disk once, in the order in
// which they were mounted: what lies in a file of another comes after that one.
// The caller closes them.
func openMounted() ([]mounted, error) {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var found []mounted
	for _, entry := range parseMounts(string(info)) {
		same := func(m mounted) bool { return m.major == entry.major && m.minor == entry.minor }
		if slices.ContainsFunc(found, same) {
			continue
		}
		if f := entry.open(); f != nil {
			found = append(found, mounted{f, entry})
		}
	}
	return found, nil
}

// open returns nil when another file system is mounted over this one.
func (e mountEntry) open() *os.File {
	f, err := os.Open(e.point)
	if err != nil {
		return nil
	}
	var st unix.Stat_t
	hidden := unix.Fstat(int(f.Fd()), &st) != nil || st.Dev != unix.Mkdev(e.major, e.minor)
	if hidden && e.fsType != "btrfs" { // whose parts have device numbers of their own
		_ = f.Close() // read-only
		return nil
	}
	return f
}

func closeAll(all []mounted) {
	for _, m := range all {
		_ = m.Close() // read-only
	}
}

// parseMounts reads mountinfo: `36 35 98:0 / /mnt rw,noatime master:1 - ext4 /dev/vda rw,errors=continue`.
func parseMounts(info string) []mountEntry {
	var entries []mountEntry
	for line := range strings.SplitSeq(info, "\n") {
		before, after, _ := strings.Cut(line, " - ")
		place, source := strings.Fields(before), strings.Fields(after)
		if len(place) < 6 || len(source) < 3 || !slices.Contains(onDisks, source[0]) {
			continue
		}
		var e mountEntry
		if _, err := fmt.Sscanf(place[2], "%d:%d", &e.major, &e.minor); err != nil {
			continue
		}
		if source[2] == "ro" || strings.HasPrefix(source[2], "ro,") {
			continue
		}
		e.point, e.fsType = unescape(place[4]), source[0]
		entries = append(entries, e)
	}
	return entries
}

// unescape undoes the kernel's octal escapes of space, tab, line end and backslash.
func unescape(text string) string {
	var plain strings.Builder
	for {
		before, after, found := strings.Cut(text, `\`)
		plain.WriteString(before)
		if !found {
			return plain.String()
		}
		if code, err := strconv.ParseUint(after[:min(3, len(after))], 8, 8); err == nil && len(after) >= 3 {
			plain.WriteByte(byte(code))
			after = after[3:]
		} else {
			plain.WriteByte('\\')
		}
		text = after
	}
}
