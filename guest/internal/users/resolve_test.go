package users

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

const passwdFile = `root:x:0:0:root:/root:/bin/bash
# comment
app:x:1000:1001:App:/home/app:/bin/zsh
noshell:x:1002:1002::/srv:
broken:x:abc:1
toolarge:x:4294967296:0::/:/bin/sh
1500:x:77:78:digits as a name:/d:/bin/sh
`

const groupFile = `root:x:0:
app:x:1001:
wheel:x:10:root,app
audio:x:29:app,other
nogroup:x:65534
`

func fixture(t *testing.T) DB {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"passwd": passwdFile, "group": groupFile} {
		if err := os.WriteFile(filepath.Join(root, "etc", name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return DB{Root: root}
}

func TestLookupFollowsDockerRules(t *testing.T) {
	db := fixture(t)
	cases := []struct {
		spec     string
		uid, gid uint32
		groups   []uint32
		home     string
		shell    string
	}{
		{"", 0, 0, []uint32{0, 10}, "/root", "/bin/bash"},
		{"root", 0, 0, []uint32{0, 10}, "/root", "/bin/bash"},
		{"app", 1000, 1001, []uint32{1001, 10, 29}, "/home/app", "/bin/zsh"},
		{"1000", 1000, 1001, []uint32{1001, 10, 29}, "/home/app", "/bin/zsh"},
		{"app:nogroup", 1000, 65534, []uint32{65534}, "/home/app", "/bin/zsh"},
		{"app:4242", 1000, 4242, []uint32{4242}, "/home/app", "/bin/zsh"},
		{"4321", 4321, 0, []uint32{0}, "/", "/bin/sh"},
		{"4321:audio", 4321, 29, []uint32{29}, "/", "/bin/sh"},
		{"noshell", 1002, 1002, []uint32{1002}, "/srv", "/bin/sh"},
		{"1500", 77, 78, []uint32{78}, "/d", "/bin/sh"},
		{":wheel", 0, 10, []uint32{10}, "/root", "/bin/bash"},
	}
	for _, c := range cases {
		u, err := db.Lookup(c.spec)
		if err != nil {
			t.Errorf("%q: %v", c.spec, err)
			continue
		}
		if u.UID != c.uid || u.GID != c.gid || !slices.Equal(u.Groups, c.groups) || u.Home != c.home || u.Shell != c.shell {
			t.Errorf("%q: got %+v", c.spec, u)
		}
	}
}

func TestLookupRefusesUnknownNames(t *testing.T) {
	db := fixture(t)
	for _, spec := range []string{"nobodyhere", "app:nosuchgroup", "-1", "broken", "toolarge", "2147483648", "root:-5", " root"} {
		if u, err := db.Lookup(spec); err == nil {
			t.Errorf("%q resolved to %+v", spec, u)
		}
	}
}

func TestLookupWithoutFilesKnowsRootAndNumbers(t *testing.T) {
	db := DB{Root: t.TempDir()}
	if u, err := db.Lookup("root"); err != nil || u.UID != 0 || u.Home != "/" {
		t.Errorf("root: %+v, %v", u, err)
	}
	if u, err := db.Lookup("12:34"); err != nil || u.UID != 12 || u.GID != 34 {
		t.Errorf("12:34: %+v, %v", u, err)
	}
	if _, err := db.Lookup("app"); err == nil {
		t.Error("a name resolved without /etc/passwd")
	}
}
