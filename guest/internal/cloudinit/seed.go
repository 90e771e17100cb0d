// Package cloudinit tells an image's cloud-init which VM it is on. All of it is
// in a tmpfs: a disk never holds anything of the VM that it was last used by.
package cloudinit

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ember.dev/guest/internal/etc"
	"ember.dev/guest/internal/identity"
)

const (
	// installed is there in every image that has cloud-init.
	installed = "/etc/cloud/cloud.cfg"
	// seedFolder is where cloud-init looks for a seed of the kind NoCloud.
	seedFolder = "/var/lib/cloud/seed/nocloud"
	// identifyConfig spares cloud-init the search for a cloud.
	identifyConfig = "/etc/cloud/ds-identify.cfg"
	// configFile is the last one that is read of its folder.
	configFile = "/etc/cloud/cloud.cfg.d/zz-ember.cfg"
)

// config leaves to the agent what the agent does: network, names, and the size of the root.
const config = `# From ember, at each boot; this file is on no disk.
datasource_list: [NoCloud, None]
network: {config: disabled}
preserve_hostname: true
manage_etc_hosts: false
growpart: {mode: "off"}
resize_rootfs: false
`

// Place provides cloud-init with this VM's identity, in images that have it. A
// VM with another id, such as a fork, is a new instance: it gets new host keys.
func Place(id *identity.Identity) error {
	if _, err := os.Stat(installed); err != nil {
		return CheckUnread(id)
	}
	files, err := Seed(id)
	if err != nil {
		return err
	}
	return errors.Join(
		placeFolder(seedFolder, files),
		etc.Place(identifyConfig, "datasource: NoCloud\n"),
		etc.Place(configFile, config),
	)
}

// CheckUnread says so when there is user-data that nothing in the image reads.
func CheckUnread(id *identity.Identity) error {
	if id.UserData == "" {
		return nil
	}
	return errors.New("the image has no cloud-init, which would read the user-data") // the host looks for this
}

// Seed is what cloud-init reads, by file name.
func Seed(id *identity.Identity) (map[string]string, error) {
	// JSON is YAML, and needs no quoting of our own.
	metaData, err := json.Marshal(map[string]any{
		"instance-id": id.VMID, "local-hostname": id.Hostname, "public-keys": keysOf(id),
	})
	if err != nil {
		return nil, err
	}
	userData := id.UserData
	if userData == "" {
		userData = "#cloud-config\n{}\n"
	}
	return map[string]string{
		"meta-data": string(metaData) + "\n", "user-data": userData,
		"vendor-data": "", "network-config": "config: disabled\n",
	}, nil
}

// keysOf is never null, which cloud-init would take for a key.
func keysOf(id *identity.Identity) []string {
	return append([]string{}, id.Agent.AuthorizedKeys...)
}

// placeFolder shows files in a folder that is mounted over `path`. They may hold passwords.
func placeFolder(path string, files map[string]string) error {
	source := filepath.Join(etc.RuntimeDir, "cloud-seed")
	if err := os.MkdirAll(source, 0o700); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(source, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(source, path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s: %w", path, err)
	}
	return nil
}
