package fstab

import (
	"path/filepath"
	"strings"
)

// Disk is what names the only disk of a guest.
type Disk struct {
	Device string
	Label  string
	UUID   string
}

// made are devices that programs of the image make while it runs: nobody can say at boot that they never come.
var made = []string{"/dev/mapper/", "/dev/dm-", "/dev/md", "/dev/loop", "/dev/zram", "/dev/zvol/", "/dev/fuse", "/dev/nbd"}

// Absent returns the entries whose devices never come. The root may be among
// them: it is mounted already, whatever the image calls its device. `exists`
// tells whether a path is there.
func Absent(entries []Entry, disk Disk, exists func(path string) bool) []Entry {
	var absent []Entry
	for _, entry := range entries {
		if (strings.HasPrefix(entry.Point, "/") || entry.FSType == "swap") && isAbsent(entry.Spec, disk, exists) {
			absent = append(absent, entry)
		}
	}
	return absent
}

func (e Entry) isRoot() bool {
	return strings.HasPrefix(e.Point, "/") && filepath.Clean(e.Point) == "/"
}

func isAbsent(spec string, disk Disk, exists func(path string) bool) bool {
	tag, value := tagOf(spec)
	switch tag {
	case "LABEL":
		return value != disk.Label
	case "UUID":
		return !strings.EqualFold(value, disk.UUID)
	case "PARTLABEL", "PARTUUID", "ID":
		return true // the disk has no partitions
	}
	if !strings.HasPrefix(spec, "/dev/") {
		return false // a file, a server, or no device at all
	}
	for _, prefix := range made {
		if strings.HasPrefix(spec, prefix) {
			return false
		}
	}
	return !exists(spec)
}

// tagOf reads LABEL=x, and the links that udev makes for the same: they are not there yet.
func tagOf(spec string) (tag, value string) {
	for tag, folder := range folders {
		if value, found := strings.CutPrefix(spec, folder); found {
			return tag, unescapeName(value)
		}
	}
	tag, value, found := strings.Cut(spec, "=")
	if !found || strings.HasPrefix(spec, "/") {
		return "", ""
	}
	return tag, value
}

// folders are where udev makes links to the devices with a tag.
var folders = map[string]string{
	"LABEL": "/dev/disk/by-label/", "UUID": "/dev/disk/by-uuid/",
	"PARTLABEL": "/dev/disk/by-partlabel/", "PARTUUID": "/dev/disk/by-partuuid/",
}

// devicePath is what systemd waits for.
func devicePath(spec string) string {
	tag, value := tagOf(spec)
	folder, known := folders[tag]
	switch {
	case !known:
		return spec
	case tag == "LABEL" || tag == "PARTLABEL":
		return folder + escapeName(value)
	}
	return folder + strings.ToLower(value)
}
