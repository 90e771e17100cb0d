package fstab

import (
	"slices"
	"strings"
	"testing"
)

const debian = `# /etc/fstab
PARTUUID=0f1e2d3c-01 / ext4 rw,discard,errors=remount-ro,x-systemd.growfs 0 1
PARTUUID=0f1e2d3c-02 /boot/efi vfat defaults 0 0
LABEL=cloudimg-rootfs	/home	ext4	defaults	0 1
LABEL=BOOT	/boot	ext4	defaults	0 2
LABEL="UEFI"	/boot/efi2/	vfat	umask=0077	0 1
UUID=ABCD-01 none swap sw 0 0
/dev/disk/by-label/my\040data /srv/my\040data xfs nofail 0 0
/dev/sda2 /data ext4 defaults
/dev/vda /other ext4 defaults 0 0
/dev/mapper/data /crypt ext4 defaults 0 0
/swapfile none swap sw 0 0
tmpfs /tmp tmpfs defaults 0 0
server:/export /net nfs defaults 0 0
broken
`

var root = Disk{Device: "/dev/vda", Label: "cloudimg-rootfs", UUID: "0f1e2d3c-0000-4000-8000-000000000000"}

func onlyVda(path string) bool { return path == "/dev/vda" }

func TestEntriesOfDisksThatNeverComeAreFound(t *testing.T) {
	var points []string
	for _, entry := range Absent(Parse(debian), root, onlyVda) {
		points = append(points, entry.Point)
	}
	want := []string{"/", "/boot/efi", "/boot", "/boot/efi2/", "none", "/srv/my data", "/data"}
	if !slices.Equal(points, want) {
		t.Errorf("got %q, want %q", points, want)
	}
}

func TestTheRootsOwnNamesAreKnown(t *testing.T) {
	for _, spec := range []string{
		"LABEL=cloudimg-rootfs", `LABEL="cloudimg-rootfs"`, "UUID=0F1E2D3C-0000-4000-8000-000000000000",
		"/dev/disk/by-uuid/0f1e2d3c-0000-4000-8000-000000000000", "/dev/vda",
	} {
		if absent := Absent(Parse(spec+" / ext4 defaults 0 1"), root, onlyVda); len(absent) != 0 {
			t.Errorf("%s: taken for another disk", spec)
		}
	}
}

func TestUnitsHaveTheNamesThatSystemdGivesThem(t *testing.T) {
	for spec, want := range map[string][]string{
		"LABEL=UEFI /boot/efi vfat":           {"boot-efi.automount", "boot-efi.mount"},
		`LABEL=x /srv/my\040data-1//a.b ext4`: {`srv-my\x20data\x2d1-a.b.automount`, `srv-my\x20data\x2d1-a.b.mount`},
		"UUID=AB-1 none swap":                 {`dev-disk-by\x2duuid-ab\x2d1.device.d/00-ember.conf`},
		`LABEL=a\040b none swap`:              {`dev-disk-by\x2dlabel-a\x5cx20b.device.d/00-ember.conf`},
		"PARTUUID=1 / ext4 noatime,discard":   {"systemd-remount-fs.service.d/00-ember.conf"},
	} {
		var names []string
		for name := range Units(Parse(spec)[0], root) {
			names = append(names, name)
		}
		slices.Sort(names)
		if !slices.Equal(names, want) {
			t.Errorf("%s: %q, want %q", spec, names, want)
		}
	}
}

func TestTheRootKeepsItsOptions(t *testing.T) {
	units := Units(Parse("PARTUUID=1 / ext4 noatime,discard 0 1")[0], root)
	if got := units["systemd-remount-fs.service.d/00-ember.conf"]; !strings.HasSuffix(got, "mount -o remount,noatime,discard /dev/vda /\n") {
		t.Errorf("got %q", got)
	}
	if units := Units(Parse(`PARTUUID=1 / ext4 a;reboot 0 1`)[0], root); len(units) != 0 {
		t.Errorf("options that are none: %q", units)
	}
}

func TestNoEntryWritesLinesOfItsOwnIntoAUnit(t *testing.T) {
	for name, content := range Units(Parse(`LABEL=x /a\012ExecStart=/bin/b ext4`)[0], root) {
		if strings.Contains(content, "\nExecStart") {
			t.Errorf("%s: %q", name, content)
		}
	}
}

func FuzzUnits(f *testing.F) {
	f.Add(debian)
	f.Add(`LABEL="\x20" /\057..\057a swap`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, entry := range Absent(Parse(text), root, onlyVda) {
			for name := range Units(entry, root) {
				if strings.HasPrefix(name, "/") || strings.Contains(name, "..") && strings.Contains(name, "../") {
					t.Errorf("%q leads out of the folder", name)
				}
			}
		}
	})
}
