package trust

import (
	"encoding/pem"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	mozilla = "# comment\n-----BEGIN CERTIFICATE-----\nbW96aWxsYQ==\n-----END CERTIFICATE-----\n"
	company = "-----BEGIN CERTIFICATE-----\nY29tcGFueQ==\n-----END CERTIFICATE-----\n"
)

var debian = image{
	"/etc/ssl/certs/ca-certificates.crt": mozilla, "/etc/ssl/certs/aaaaaaaa.0": "-> mozilla.pem",
	"/etc/ssl/certs/mozilla.pem": "-> /usr/share/ca-certificates/mozilla.crt", "/usr/share/ca-certificates/mozilla.crt": mozilla,
	"/etc/ssl/openssl.cnf": "x",
}

var images = map[string]image{
	"Debian": debian,
	"Alpine": {"/etc/ssl/certs/ca-certificates.crt": mozilla, "/etc/ssl/cert.pem": "-> certs/ca-certificates.crt"},
	"Red Hat": {
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem": mozilla, "/etc/pki/ca-trust/source/anchors": "/",
		"/etc/pki/tls/certs/ca-bundle.crt": "-> /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
		"/etc/pki/tls/cert.pem":            "-> /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/certs": "-> ../pki/tls/certs",
	},
	"openSUSE": {
		"/var/lib/ca-certificates/ca-bundle.pem": mozilla, "/var/lib/ca-certificates/pem/bbbbbbbb.0": mozilla, "/etc/pki/trust/anchors": "/",
		"/etc/ssl/certs": "-> ../../var/lib/ca-certificates/pem", "/etc/ssl/ca-bundle.pem": "-> ../../var/lib/ca-certificates/ca-bundle.pem",
	},
	"Arch": {
		"/etc/ca-certificates/extracted/tls-ca-bundle.pem": mozilla, "/etc/ca-certificates/trust-source/anchors": "/",
		"/etc/ssl/certs/ca-certificates.crt": "-> ../../ca-certificates/extracted/tls-ca-bundle.pem",
		"/etc/ssl/cert.pem":                  "-> ../ca-certificates/extracted/tls-ca-bundle.pem",
	},
}

func TestEveryDistributionsBundleHasTheAuthorityBesideItsOwn(t *testing.T) {
	ours := newCertificate(t, "ember")
	for name, i := range images {
		before := maps.Clone(i)
		l := lays(t, i, ours)
		for _, path := range bundles {
			content := l.shown(path)
			if _, there := i[path]; there && content != mozilla+ours {
				t.Errorf("%s: %s is %q", name, path, content)
			}
		}
		if got := l.shown("/etc/ssl/certs/" + l.authorities[0].hash + ".0"); got != ours {
			t.Errorf("%s: OpenSSL finds %q by the hash", name, got)
		}
		for path, content := range l.disk() {
			if before[path] != content {
				t.Errorf("%s: %s was changed on the disk", name, path)
			}
		}
	}
}

func TestDistributionsToolsFindTheAuthorityAmongTheirSources(t *testing.T) {
	ours := newCertificate(t, "ember")
	for name, path := range map[string]string{
		"Debian": "/usr/local/share/ca-certificates/ember-secrets-1.crt", "Red Hat": "/etc/pki/ca-trust/source/anchors/ember-secrets-1.pem",
		"openSUSE": "/etc/pki/trust/anchors/ember-secrets-1.pem", "Arch": "/etc/ca-certificates/trust-source/anchors/ember-secrets-1.pem",
	} {
		if got := lays(t, images[name], ours).shown(path); got != ours {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestAnImageWithoutABundleGetsOne(t *testing.T) {
	ours := newCertificate(t, "ember")
	for name, i := range map[string]image{"empty": {"/bin": "/"}, "a dangling link": {"/etc/ssl/certs/ca-certificates.crt": "-> nowhere"}} {
		l := lays(t, i, ours)
		if got := l.shown("/etc/ssl/certs/ca-certificates.crt"); got != ours {
			t.Errorf("%s: %q", name, got)
		}
		if got := l.shown(hashed + "/" + l.authorities[0].hash + ".0"); got != ours {
			t.Errorf("%s: OpenSSL finds %q by the hash", name, got)
		}
		before := l.disk()
		if l.save(); !maps.Equal(before, l.disk()) {
			t.Errorf("%s: %q became %q", name, before, l.disk())
		}
	}
}

func TestABundleAmongOtherFilesIsNotCoveredWithThem(t *testing.T) {
	l := lays(t, image{"/etc/ssl/cert.pem": mozilla, "/etc/ssl/private/key.pem": "hush"}, newCertificate(t, "ember"))
	for _, c := range l.covers {
		if c.folder == "/etc/ssl" || c.folder == "/etc" {
			t.Errorf("%s is covered", c.folder)
		}
	}
	if p := planFor(l.root); !slices.Equal(p.bundles, []string{"/etc/ssl/cert.pem"}) {
		t.Errorf("%v", p.bundles)
	}
}

func TestWhatToolsChangeComesToTheDiskWithoutTheAuthority(t *testing.T) {
	ours := newCertificate(t, "ember")
	i := maps.Clone(debian)
	i["/etc/ssl/certs/old.pem"] = company
	l := lays(t, i, ours)
	hash := l.authorities[0].hash
	// As update-ca-certificates does, with a certificate that the user has added.
	l.change("/usr/local/share/ca-certificates/company.crt", company)
	l.change("/etc/ssl/certs/ca-certificates.crt", mozilla+company+ours)
	l.change("/etc/ssl/certs/ember-secrets-1.pem", "-> /usr/local/share/ca-certificates/ember-secrets-1.crt")
	l.change("/etc/ssl/certs/company.pem", "-> /usr/local/share/ca-certificates/company.crt")
	l.change("/etc/ssl/certs/cccccccc.0", "-> company.pem")
	l.change("/etc/ssl/certs/named-by-label.pem", "# ember\n"+ours)
	l.change("/etc/ssl/certs/"+hash+".1", "-> named-by-label.pem")
	l.change("/etc/ssl/certs/java/cacerts", "\xfe\xed"+string(l.authorities[0].der))
	l.change("/etc/ssl/certs/old.pem", "")
	l.save()
	want := maps.Clone(debian)
	want["/usr/local/share/ca-certificates/company.crt"] = company
	want["/etc/ssl/certs/ca-certificates.crt"] = mozilla + company
	want["/etc/ssl/certs/company.pem"] = "-> /usr/local/share/ca-certificates/company.crt"
	want["/etc/ssl/certs/cccccccc.0"] = "-> company.pem"
	if got := l.disk(); !maps.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if info, err := os.Stat(filepath.Join(l.root, "/etc/ssl/certs/ca-certificates.crt")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v %v", info, err)
	}
	l.change("/etc/ssl/certs/ca-certificates.crt", mozilla+ours)
	l.save()
	if got := l.disk()["/etc/ssl/certs/ca-certificates.crt"]; got != mozilla {
		t.Errorf("%q", got)
	}
}

func TestSavingWithoutAChangeWritesNothing(t *testing.T) {
	ours := newCertificate(t, "ember")
	for name, i := range images {
		l := lays(t, i, ours)
		before := l.disk()
		l.save()
		if after := l.disk(); !maps.Equal(before, after) {
			t.Errorf("%s: %q became %q", name, before, after)
		}
	}
}

func TestChangesAreNoticedAlsoInNewFolders(t *testing.T) {
	l := lays(t, debian, newCertificate(t, "ember"))
	changes, err := watch(l.covers)
	if err != nil {
		t.Skipf("this kernel has no inotify: %v", err)
	}
	defer changes.events.Close() //nolint:errcheck // nothing is written to it
	for _, path := range []string{"/etc/ssl/certs/java/a", "/etc/ssl/certs/java/b"} {
		l.change(path, "x")
		if err := changes.awaitQuiet(); err != nil {
			t.Fatal(err)
		}
		l.save()
		if err := changes.add(l.covers); err != nil {
			t.Fatal(err)
		}
		if got := l.disk()[path]; got != "x" {
			t.Errorf("%s: %q", path, got)
		}
	}
}

func TestTheEnvironmentServesProgramsThatReadNoBundle(t *testing.T) {
	ours := newCertificate(t, "ember")
	i := maps.Clone(debian)
	i["/opt/own.pem"] = company
	root, runtime := i.make(t), t.TempDir()
	env := []string{"A=b", "SSL_CERT_FILE=/opt/own.pem", "GIT_SSL_CAINFO=/etc/ssl/certs/ca-certificates.crt", "PIP_CERT=/nowhere"}
	got := environment([]string{ours}, env, root, runtime)
	for _, want := range []string{
		"A=b", "NODE_EXTRA_CA_CERTS=" + runtime + "/authorities.pem", "REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt",
		"SSL_CERT_FILE=" + runtime + "/SSL_CERT_FILE.pem", "GIT_SSL_CAINFO=/etc/ssl/certs/ca-certificates.crt", "PIP_CERT=/nowhere",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not in %q", want, got)
		}
	}
	if content := string(readOrNothing(runtime + "/SSL_CERT_FILE.pem")); content != company+ours {
		t.Errorf("%q", content)
	}
	if got := Env(nil, env); !slices.Equal(got, env) {
		t.Errorf("without an authority: %q", got)
	}
}

func TestOpenSSLFindsTheAuthorityByItsName(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("there is no openssl to ask")
	}
	for _, name := range []string{"ember secrets of web", "  Two  Spaces É", "a@b.c"} {
		text := newCertificate(t, name)
		authorities, err := parse([]string{text})
		if err != nil {
			t.Fatal(err)
		}
		ask := exec.Command(openssl, "x509", "-noout", "-subject_hash")
		ask.Stdin = strings.NewReader(text)
		answer, err := ask.Output()
		if err != nil {
			t.Fatal(err)
		}
		if got := authorities[0].hash; got != strings.TrimSpace(string(answer)) {
			t.Errorf("%q: %s, not %s", name, got, answer)
		}
	}
}

func TestTheHashOfANameIsKnown(t *testing.T) {
	block, _ := pem.Decode([]byte(known))
	authorities, err := parse([]string{string(pem.EncodeToMemory(block))})
	if err != nil || authorities[0].hash != knownHash {
		t.Errorf("%v %v", authorities, err)
	}
}

// What 'openssl x509 -subject_hash' prints for known.
const knownHash = "043e727c"

const known = `-----BEGIN CERTIFICATE-----
MIIBwjCCAWegAwIBAgIUMm85TWWM2HwyoopADLduSrJpDuwwCgYIKoZIzj0EAwIw
NTEUMBIGA1UECgwLRW1iZXIgIFRlc3QxHTAbBgNVBAMMFGVtYmVyIHNlY3JldHMg
b2YgV2ViMCAXDTI2MTEyOTE4MjQwNVoYDzIxMjYxMTA1MTgyNDA1WjA1MRQwEgYD
VQQKDAtFbWJlciAgVGVzdDEdMBsGA1UEAwwUZW1iZXIgc2VjcmV0cyBvZiBXZWIw
WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQyPGtRJg6JM4YGGUzsLfGoaw0seNsT
7KyMSO8+H49HwejGhKgPr2FRFrS4ZHYAIFebB+3g9qAT9r3cO7nNmn84o1MwUTAd
BgNVHQ4EFgQUVzuwuhbqNNsGDByeOau1Y56fcIQwHwYDVR0jBBgwFoAUVzuwuhbq
NNsGDByeOau1Y56fcIQwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBG
AiEA+hAYDc6NI6yNH0rhNvv6mofggyWnTlHdu8f0YSHk5iICIQC5emqqot4/XxB5
LWiEWWmrOjvw3Ytmf4MT7FdqJLNqZQ==
-----END CERTIFICATE-----
`
