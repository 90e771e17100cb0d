// Package users resolves names with the image's own /etc/passwd and /etc/group,
// the way container runtimes do; nothing of the C library is used.
package users

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxFileBytes bounds what an image can make us read into memory.
const maxFileBytes = 8 << 20

// DB reads the two files below a root directory. Missing files are empty ones.
type DB struct{ Root string }

type passwdEntry struct {
	name        string
	uid, gid    uint32
	home, shell string
}

type groupEntry struct {
	name    string
	gid     uint32
	members []string
}

func (db DB) passwd() []passwdEntry {
	var entries []passwdEntry
	db.eachLine("etc/passwd", func(f []string) {
		if len(f) < 7 {
			return
		}
		uid, uidErr := parseID(f[2])
		gid, gidErr := parseID(f[3])
		if f[0] != "" && uidErr == nil && gidErr == nil {
			entries = append(entries, passwdEntry{f[0], uid, gid, f[5], f[6]})
		}
	})
	return entries
}

func (db DB) groups() []groupEntry {
	var entries []groupEntry
	db.eachLine("etc/group", func(f []string) {
		if len(f) < 3 {
			return
		}
		gid, err := parseID(f[2])
		if f[0] == "" || err != nil {
			return
		}
		entry := groupEntry{name: f[0], gid: gid}
		if len(f) > 3 && f[3] != "" {
			entry.members = strings.Split(f[3], ",")
		}
		entries = append(entries, entry)
	})
	return entries
}

func (db DB) eachLine(name string, visit func(fields []string)) {
	file, err := os.Open(filepath.Join(db.Root, name))
	if err != nil {
		return
	}
	defer file.Close() //nolint:errcheck // read-only
	data, err := io.ReadAll(io.LimitReader(file, maxFileBytes))
	if err != nil {
		return
	}
	scanner := bufio.NewScanner(bytes.NewReader(data))
	scanner.Buffer(nil, maxFileBytes+1)
	for scanner.Scan() {
		line := strings.TrimSpace(scanner.Text())
		if line != "" && line[0] != '#' {
			visit(strings.Split(line, ":"))
		}
	}
}

// parseID accepts what the kernel and container runtimes accept: 0 .. 2^31-1.
func parseID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	return uint32(n), err
}
