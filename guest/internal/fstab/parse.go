// Package fstab keeps an image's init from waiting for disks that the image was
// made with and its VM does not have: the partition of a boot loader, say.
package fstab

import (
	"strconv"
	"strings"
)

// Entry is a line of /etc/fstab.
type Entry struct {
	// Spec says which device: a path, or LABEL=, UUID=, PARTLABEL=, PARTUUID= and a name.
	Spec string
	// Point is where it is mounted: an absolute path, or anything for swap.
	Point   string
	FSType  string
	Options string
}

// Parse reads the entries of an fstab; lines that are none are left out.
func Parse(text string) []Entry {
	var entries []Entry
	for line := range strings.SplitSeq(text, "\n") {
		fields := strings.Fields(line)
		if len(fields) < 3 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		options := "defaults"
		if len(fields) > 3 {
			options = unescape(fields[3])
		}
		entries = append(entries, Entry{unquote(unescape(fields[0])), unescape(fields[1]), fields[2], options})
	}
	return entries
}

// unquote drops the quotes of LABEL="a name", as mount does.
func unquote(spec string) string {
	tag, value, found := strings.Cut(spec, "=")
	if !found || strings.HasPrefix(spec, "/") {
		return spec
	}
	return tag + "=" + strings.Trim(value, `"'`)
}

// unescape undoes the octal escapes of white space and backslashes.
func unescape(field string) string {
	var plain strings.Builder
	for i := 0; i < len(field); i++ {
		if field[i] == '\\' && i+4 <= len(field) {
			if code, err := strconv.ParseUint(field[i+1:i+4], 8, 8); err == nil {
				plain.WriteByte(byte(code))
				i += 3
				continue
			}
		}
		plain.WriteByte(field[i])
	}
	return plain.String()
}
