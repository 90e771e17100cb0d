// Package rooted looks at an image's files from outside of it.
package rooted

import (
	"os"
	"path/filepath"
	"strings"
)

// Resolve follows symbolic links the way a process inside root would: no
// link, absolute or relative, leads out of it.
func Resolve(root, path string) string {
	resolved := "/"
	rest := strings.Split(path, "/")
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			resolved = filepath.Dir(resolved)
			continue
		}
		next := filepath.Join(resolved, name)
		target, err := os.Readlink(filepath.Join(root, next))
		if err != nil || links >= 40 {
			resolved = next
			continue
		}
		links++
		if filepath.IsAbs(target) {
			resolved = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return filepath.Join(root, resolved)
}
