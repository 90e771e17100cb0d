package boot

import (
	"os"
	"path/filepath"
	"testing"

	"ember.dev/guest/internal/identity"
)

// tree makes files: "x" is an executable, "->target" a link, anything else text.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch {
		case content == "x":
			err = os.WriteFile(path, nil, 0o755)
		case len(content) > 2 && content[:2] == "->":
			err = os.Symlink(content[2:], path)
		default:
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const alpineInittab = "# /etc/inittab\n::sysinit:/sbin/openrc sysinit\n::wait:/sbin/openrc default\ntty1::respawn:/sbin/getty 38400 tty1\n::ctrlaltdel:/sbin/reboot\n"

func TestModeFollowsTheImage(t *testing.T) {
	cases := []struct {
		name  string
		files map[string]string
		argv  []string
		mode  string
		init  string
	}{
		{"systemd by an absolute link", map[string]string{"sbin/init": "->/lib/systemd/systemd", "lib/systemd/systemd": "x"}, []string{"a"}, "init", "/sbin/init"},
		{"systemd by a relative link in a merged tree", map[string]string{"usr/sbin/init": "->../lib/systemd/systemd", "usr/lib/systemd/systemd": "x", "sbin": "->usr/sbin"}, nil, "init", "/sbin/init"},
		{"systemd without the link", map[string]string{"usr/lib/systemd/systemd": "x"}, nil, "init", "/usr/lib/systemd/systemd"},
		{"dangling link", map[string]string{"sbin/init": "->/lib/systemd/systemd"}, []string{"a"}, "entrypoint", ""},
		{"link out of the root", map[string]string{"sbin/init": "->../../../../../../../../bin/sh"}, []string{"a"}, "entrypoint", ""},
		{"not executable", map[string]string{"sbin/init": "text"}, []string{"a"}, "entrypoint", ""},
		{"a loop", map[string]string{"sbin/init": "->init"}, nil, "none", ""},
		{"nothing", nil, nil, "none", ""},
		{"busybox alone", map[string]string{"sbin/init": "->/bin/busybox", "bin/busybox": "x"}, []string{"a"}, "entrypoint", ""},
		{"busybox with a table for an absent openrc", map[string]string{"sbin/init": "->/bin/busybox", "bin/busybox": "x", "etc/inittab": alpineInittab}, nil, "none", ""},
		{"busybox with openrc", map[string]string{"sbin/init": "->/bin/busybox", "bin/busybox": "x", "etc/inittab": alpineInittab, "sbin/openrc": "x"}, nil, "init", "/sbin/init"},
		{"busybox with an empty table", map[string]string{"sbin/init": "->/bin/busybox", "bin/busybox": "x", "etc/inittab": "# nothing\n"}, nil, "none", ""},
		{"busybox with its own table", map[string]string{"sbin/init": "->/bin/busybox", "bin/busybox": "x", "etc/inittab": "::sysinit:/etc/rc\n::respawn:-/bin/sh\n", "etc/rc": "x"}, nil, "init", "/sbin/init"},
	}
	for _, c := range cases {
		mode, init := Mode(identity.Process{Mode: "auto", Argv: c.argv}, tree(t, c.files))
		if mode != c.mode || init != c.init {
			t.Errorf("%s: %s %q", c.name, mode, init)
		}
	}
}

func TestExplicitModesAreHonoured(t *testing.T) {
	root := tree(t, map[string]string{"sbin/init": "x"})
	for _, want := range []string{"init", "entrypoint", "none"} {
		if mode, _ := Mode(identity.Process{Mode: want, Argv: []string{"a"}}, root); mode != want {
			t.Errorf("%s gave %s", want, mode)
		}
	}
}
