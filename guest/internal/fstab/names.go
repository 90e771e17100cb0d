package fstab

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// unitName is what systemd calls the unit of a path: systemd-escape --path.
func unitName(path, suffix string) string {
	path = strings.Trim(filepath.Clean(path), "/")
	if path == "" {
		return "-" + suffix
	}
	var name strings.Builder
	for i := 0; i < len(path); i++ {
		c := path[i]
		switch {
		case c == '/':
			name.WriteByte('-')
		case c == '.' && i == 0, !isPlain(c) && c != ':' && c != '_' && c != '.':
			fmt.Fprintf(&name, `\x%02x`, c)
		default:
			name.WriteByte(c)
		}
	}
	return name.String() + suffix
}

func isPlain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// escapeName writes a label as udev does in the name of a link.
func escapeName(label string) string {
	var name strings.Builder
	for i := 0; i < len(label); i++ {
		c := label[i]
		if isPlain(c) || c >= 0x80 || strings.IndexByte("#+-.:=@_", c) >= 0 {
			name.WriteByte(c)
		} else {
			fmt.Fprintf(&name, `\x%02x`, c)
		}
	}
	return name.String()
}

func unescapeName(name string) string {
	var label strings.Builder
	for i := 0; i < len(name); i++ {
		if strings.HasPrefix(name[i:], `\x`) && i+4 <= len(name) {
			if code, err := strconv.ParseUint(name[i+2:i+4], 16, 8); err == nil {
				label.WriteByte(byte(code))
				i += 3
				continue
			}
		}
		label.WriteByte(name[i])
	}
	return label.String()
}
