package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// image is the root folder of an image, by path: a file's content, "-> target" for a link, "/" for a folder.
type image map[string]string

func (i image) make(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for path, content := range i {
		full := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, link := strings.CutPrefix(content, "-> "); link {
			err = os.Symlink(target, full)
		} else if content == "/" {
			err = os.MkdirAll(full, 0o755)
		} else {
			err = os.WriteFile(full, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// newCertificate is an authority's, in PEM.
func newCertificate(t *testing.T, name string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// laid is an image with the copies that would cover it.
type laid struct {
	t           *testing.T
	root        string
	covers      []cover
	authorities []authority
}

func lays(t *testing.T, i image, certificates ...string) *laid {
	t.Helper()
	authorities, err := parse(certificates)
	if err != nil {
		t.Fatal(err)
	}
	root := i.make(t)
	covers, err := lay(planFor(root), root, t.TempDir(), authorities)
	if err != nil {
		t.Fatal(err)
	}
	for n, c := range covers { // what the mount does
		covers[n].disk = filepath.Join(root, c.folder)
		if err := os.MkdirAll(covers[n].disk, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return &laid{t, root, covers, authorities}
}

// shown is what programs see at a path, with folders' links followed; "" for nothing.
func (l *laid) shown(path string) string {
	path = filepath.Join(realPath(l.root, filepath.Dir(path)), filepath.Base(path))
	for range 10 {
		at := filepath.Join(l.root, path)
		if covered, found := shownAt(l.covers, path); found {
			at = covered
		}
		target, err := os.Readlink(at)
		if err != nil {
			return string(readOrNothing(at))
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = filepath.Join(realPath(l.root, filepath.Dir(target)), filepath.Base(target))
	}
	return ""
}

// change writes what a program of the guest writes.
func (l *laid) change(path, content string) {
	l.t.Helper()
	at, found := shownAt(l.covers, path)
	if !found {
		l.t.Fatalf("%s is not covered", path)
	}
	_ = os.RemoveAll(at) // absent: fine
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		l.t.Fatal(err)
	}
	var err error
	if target, link := strings.CutPrefix(content, "-> "); link {
		err = os.Symlink(target, at)
	} else if content != "" {
		err = os.WriteFile(at, []byte(content), 0o640)
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *laid) save() {
	l.t.Helper()
	for _, c := range l.covers {
		if err := c.save(l.authorities); err != nil {
			l.t.Fatal(err)
		}
	}
}

// disk is all that the image has, as image.make takes it, without folders.
func (l *laid) disk() image {
	l.t.Helper()
	found := image{}
	err := filepath.WalkDir(l.root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name := strings.TrimPrefix(path, l.root)
		if target, err := os.Readlink(path); err == nil {
			found[name] = "-> " + target
		} else {
			found[name] = string(readOrNothing(path))
		}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return found
}
