package trust

import (
	"os"
	"path/filepath"
	"slices"

	"ember.dev/guest/internal/process"
)

// own is read by programs that add the file's authorities to their own.
const own = "NODE_EXTRA_CA_CERTS"

// always are read by programs that otherwise know only what they were built with: they are given the image's bundle.
var always = []string{"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"}

// changed name another file than the image's bundle where the image or the VM sets them, and are left alone elsewhere.
var changed = []string{
	own, "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "AWS_CA_BUNDLE", "PIP_CERT",
	"CARGO_HTTP_CAINFO", "DENO_CERT",
}

// Env is the environment with which programs trust what Place made trusted, also those that do not read the image's
// bundle. A variable of env that names a file of authorities comes to name a copy of it with ours.
func Env(certificates, env []string) []string {
	if len(certificates) == 0 {
		return env
	}
	return environment(certificates, env, "/", runtimeDir)
}

func environment(certificates, env []string, root, runtime string) []string {
	authorities, err := parse(certificates)
	if err != nil {
		return env // Place has said so
	}
	p := planFor(root)
	added := []string{own + "=" + filepath.Join(runtime, onlyOurs)}
	for _, name := range always {
		added = append(added, name+"="+p.bundles[0])
	}
	merged := process.MergeEnv(added, env)
	for _, name := range changed {
		file, found := process.Getenv(env, name)
		if !found || !filepath.IsAbs(file) || slices.Contains(p.bundles, realPath(root, file)) {
			continue
		}
		content, err := os.ReadFile(filepath.Join(root, realPath(root, file)))
		if err != nil {
			continue // what the program would find, too
		}
		with := filepath.Join(runtime, name+".pem")
		if os.WriteFile(with, add(content, authorities), 0o644) == nil {
			merged = process.MergeEnv(merged, []string{name + "=" + with})
		}
	}
	return merged
}
