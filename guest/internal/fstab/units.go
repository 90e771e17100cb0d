package fstab

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// Path is where images say what else is mounted.
const Path = "/etc/fstab"

// unitFolder is systemd's for units that hold until the next boot. They come before what it makes of fstab itself.
const unitFolder = "/run/systemd/system"

const maxBytes = 1 << 20

// condition is never met. A unit that is not started for that reason has not failed, and what requires it goes on.
const condition = "ConditionPathExists=/run/ember/absent-disk"

// PlaceUnits keeps systemd from waiting for disks that are not there. The fstab
// itself stays as it is, for whoever edits it. Other inits do not wait.
func PlaceUnits(disk Disk) error {
	data, err := os.ReadFile(Path)
	if err != nil || len(data) > maxBytes {
		return nil // absent, or no fstab
	}
	exists := func(path string) bool {
		_, err := os.Stat(path)
		return err == nil
	}
	var failures []error
	for _, entry := range Absent(Parse(string(data)), disk, exists) {
		for path, content := range Units(entry, disk) {
			failures = append(failures, place(filepath.Join(unitFolder, path), content))
		}
	}
	return errors.Join(failures...)
}

// Units are the files, by name, that keep systemd from waiting for an entry.
func Units(entry Entry, disk Disk) map[string]string {
	switch {
	case entry.FSType == "swap":
		// A unit of swap is bound to its device by name, so it is the waiting that ends.
		return map[string]string{
			unitName(devicePath(entry.Spec), ".device") + ".d/00-ember.conf": "[Unit]\nJobTimeoutSec=1\nJobRunningTimeoutSec=1\n",
		}
	case entry.isRoot():
		return rootUnits(entry, disk)
	}
	header := "[Unit]\nDescription=" + oneLine(entry.Point) + ", on a disk that this VM does not have\n" + condition + "\n"
	where := "Where=" + strings.ReplaceAll(oneLine(filepath.Clean(entry.Point)), "%", "%%") + "\n"
	return map[string]string{
		// No device is named: systemd would wait for it before it looks at conditions.
		unitName(entry.Point, ".mount"):     header + "\n[Mount]\nWhat=none\nType=tmpfs\n" + where,
		unitName(entry.Point, ".automount"): header + "\n[Automount]\n" + where,
	}
}

// rootUnits give the root the options that the image wants, by the name that
// its device has here: mount would not find the other one, and fail.
func rootUnits(entry Entry, disk Disk) map[string]string {
	if strings.ContainsFunc(entry.Options, func(r rune) bool { return r <= ' ' || strings.ContainsRune(`"'\$;`, r) }) {
		return nil // nothing that a mount would take
	}
	options := strings.ReplaceAll(entry.Options, "%", "%%")
	return map[string]string{
		"systemd-remount-fs.service.d/00-ember.conf": "[Service]\nExecStart=\n" +
			"ExecStart=/bin/mount -o remount," + options + " " + disk.Device + " /\n",
	}
}

func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, text)
}

func place(path, content string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(content), 0o644)
}
