package etc

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"ember.dev/guest/internal/identity"
)

const hostsPath = "/etc/hosts"

// domain is what the host names VMs in. Nothing applies a resolver's search domains to /etc/hosts, so a line there
// has the short name as well.
const domain = ".ember.internal"

// mark ends each line about another VM: such lines come and go, all others stay as they are.
const mark = "\t# ember"

// Beyond this many bytes of lines that no longer hold, and when they are most of the file, it is written anew.
const maxDeadBytes = 64 << 10

// changing is held by whoever writes /etc/hosts.
var changing sync.Mutex

// PlaceSiblings makes /etc/hosts name exactly these other VMs, besides what the image and the user have there.
func PlaceSiblings(hosts []identity.Host) error {
	changing.Lock()
	defer changing.Unlock()
	if !inMemory(hostsPath) {
		return errors.New("/etc/hosts is the image's own file, which is not written to")
	}
	return updateSiblings(hostsPath, hosts)
}

// inMemory tells a file that we provided from one on the image's disk.
func inMemory(path string) bool {
	shown, err := os.Stat(path)
	if err != nil {
		return false
	}
	if ours, err := os.Stat(filepath.Join(RuntimeDir, filepath.Base(path))); err == nil && os.SameFile(ours, shown) {
		return true
	}
	target, exists, err := follow(path)
	return err == nil && exists && strings.HasPrefix(target, "/run/")
}

// updateSiblings changes the file in place, as a bind mount asks for, and so that whoever reads it meanwhile sees every
// other line whole: a line goes by one byte that makes it a comment, and comes at the end.
func updateSiblings(path string, hosts []identity.Host) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	content, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	found := survey(content)
	wanted := siblingLines(found.others, hosts)
	stale, missing := found.compare(wanted)
	for _, line := range stale {
		found.deadBytes += len(line.text) + 1
	}
	if found.deadBytes > maxDeadBytes && found.deadBytes > len(content)/2 {
		return overwrite(f, len(content), append(found.others, joined(wanted)...))
	}
	for _, line := range stale {
		if err := strike(f, line); err != nil {
			return err
		}
	}
	return appendLines(f, content, missing)
}

type line struct {
	text   string
	offset int
}

// surveyed is what a hosts file consists of.
type surveyed struct {
	ours      []line
	others    []byte
	deadBytes int // of our lines that were made comments
}

func survey(content []byte) surveyed {
	var s surveyed
	for offset := 0; offset < len(content); {
		text, _, _ := bytes.Cut(content[offset:], []byte("\n"))
		switch {
		case !bytes.HasSuffix(text, []byte(mark)):
			s.others = append(append(s.others, text...), '\n')
		case text[0] == '#':
			s.deadBytes += len(text) + 1
		default:
			s.ours = append(s.ours, line{string(text), offset})
		}
		offset += len(text) + 1
	}
	return s
}

// compare tells which of our lines must go and which must come. A line that is there twice goes once.
func (s surveyed) compare(wanted []string) (stale []line, missing []string) {
	left := make(map[string]bool, len(wanted))
	for _, text := range wanted {
		left[text] = true
	}
	for _, line := range s.ours {
		if left[line.text] {
			delete(left, line.text)
		} else {
			stale = append(stale, line)
		}
	}
	for _, text := range wanted {
		if left[text] {
			missing = append(missing, text)
		}
	}
	return stale, missing
}

// siblingLines leaves out what the rest of the file names already: this VM, and whatever the image or the user says.
func siblingLines(rest []byte, hosts []identity.Host) []string {
	taken := namesIn(rest)
	taken["localhost"] = true // nobody else is, whatever their name
	var lines []string
	for _, host := range hosts {
		if taken[host.Name] || !host.Address.Is4() {
			continue
		}
		taken[host.Name] = true
		line := host.Address.String() + "\t" + host.Name
		if short, ok := strings.CutSuffix(host.Name, domain); ok && !taken[short] && !strings.Contains(short, ".") {
			taken[short] = true
			line += " " + short
		}
		lines = append(lines, line+mark)
	}
	return lines
}

// namesIn is everything that a hosts file gives an address to.
func namesIn(hosts []byte) map[string]bool {
	found := map[string]bool{}
	for line := range bytes.SplitSeq(hosts, []byte("\n")) {
		line, _, _ = bytes.Cut(line, []byte("#"))
		fields := bytes.Fields(line)
		for _, field := range fields[min(1, len(fields)):] {
			found[string(field)] = true
		}
	}
	return found
}

func joined(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

// strike makes a line a comment, unless somebody else has changed the file there.
func strike(f *os.File, l line) error {
	now := make([]byte, len(l.text))
	if n, err := f.ReadAt(now, int64(l.offset)); n < len(now) {
		if err == io.EOF {
			return nil // it is gone already
		}
		return err
	}
	if string(now) != l.text {
		return nil
	}
	_, err := f.WriteAt([]byte{'#'}, int64(l.offset))
	return err
}

// appendLines leaves the file as it was when not all of them have room.
func appendLines(f *os.File, content []byte, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	text := joined(lines)
	if len(content) > 0 && content[len(content)-1] != '\n' {
		text = "\n" + text
	}
	// Another opening, so that what the user appends at the same time is not written over.
	end, err := os.OpenFile(f.Name(), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	if _, err = end.WriteString(text); err != nil {
		err = errors.Join(err, end.Truncate(int64(len(content))))
	}
	return errors.Join(err, end.Close())
}
