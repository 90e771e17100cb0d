package trust

import (
	"os"
	"path/filepath"
	"strings"

	"ember.dev/guest/internal/rooted"
)

// bundles are the files in which images keep the authorities that they trust.
var bundles = []string{
	"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Alpine, Arch
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Red Hat
	"/etc/pki/tls/certs/ca-bundle.crt",                  // Red Hat, an older name
	"/etc/pki/tls/cert.pem",                             // Red Hat, OpenSSL's
	"/etc/ssl/ca-bundle.pem",                            // openSUSE
	"/var/lib/ca-certificates/ca-bundle.pem",            // openSUSE
	"/etc/ssl/certs/ca-bundle.crt",                      // Nix
	"/etc/ssl/cert.pem",                                 // OpenSSL's and LibreSSL's default
}

// hashed is where OpenSSL looks for an authority by the hash of its name.
const hashed = "/etc/ssl/certs"

// fallback is made for an image without any bundle.
const fallback = "/etc/ssl/certs/ca-certificates.crt"

// folders hold nothing but certificates and what is made of them. Distributions' tools replace files in them, which a
// file that is a mount point would not let them: such a folder is covered as a whole.
var folders = []string{
	"/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted", "/var/lib/ca-certificates",
	"/etc/ca-certificates/extracted",
}

// anchors is a folder of which a distribution's tool makes the bundles.
type anchors struct {
	folder    string
	extension string
	needs     string // without this folder there is no such tool, and cannot be
}

var allAnchors = []anchors{
	// In every image: the tool may be installed later.
	{"/usr/local/share/ca-certificates", ".crt", "/"},                                          // Debian, Ubuntu, Alpine
	{"/etc/pki/ca-trust/source/anchors", ".pem", "/etc/pki/ca-trust"},                          // Red Hat
	{"/etc/pki/trust/anchors", ".pem", "/etc/pki/trust"},                                       // openSUSE
	{"/etc/ca-certificates/trust-source/anchors", ".pem", "/etc/ca-certificates/trust-source"}, // Arch
}

// plan is what is to be changed in an image. All paths are inside of it, and without symbolic links.
type plan struct {
	bundles []string // real files, each once
	anchors []anchors
	hashed  string   // "" where there is none
	covered []string // folders that are covered
}

func planFor(root string) plan {
	var p plan
	for _, path := range bundles {
		if file := realPath(root, path); isFile(root, file) {
			p.bundles = appendNew(p.bundles, file)
		}
	}
	bare := len(p.bundles) == 0
	if bare {
		p.bundles = []string{filepath.Join(realPath(root, filepath.Dir(fallback)), filepath.Base(fallback))}
	}
	for _, a := range allAnchors {
		if isFolder(root, realPath(root, a.needs)) {
			a.folder = realPath(root, a.folder)
			p.anchors = append(p.anchors, a)
			p.covered = appendNew(p.covered, a.folder)
		}
	}
	for _, file := range p.bundles {
		if folder, found := folderOf(root, file); found {
			p.covered = appendNew(p.covered, folder)
		}
	}
	if folder := realPath(root, hashed); bare || isFolder(root, folder) {
		p.hashed = folder
		if within, found := folderOf(root, filepath.Join(folder, "x")); found {
			folder = within
		}
		p.covered = appendNew(p.covered, folder)
	}
	return p
}

// folderOf is the folder to cover for a file, if it is in such a one.
func folderOf(root, file string) (string, bool) {
	for _, folder := range folders {
		if folder = realPath(root, folder); strings.HasPrefix(file, folder+"/") {
			return folder, true
		}
	}
	return "", false
}

func realPath(root, path string) string {
	resolved := strings.TrimPrefix(rooted.Resolve(root, path), strings.TrimSuffix(root, "/"))
	return "/" + strings.TrimPrefix(resolved, "/")
}

func isFile(root, path string) bool {
	info, err := os.Lstat(filepath.Join(root, path))
	return err == nil && info.Mode().IsRegular()
}

func isFolder(root, path string) bool {
	info, err := os.Lstat(filepath.Join(root, path))
	return err == nil && info.IsDir()
}

func appendNew(list []string, item string) []string {
	for _, known := range list {
		if known == item {
			return list
		}
	}
	return append(list, item)
}
