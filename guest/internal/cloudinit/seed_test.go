package cloudinit

import (
	"encoding/json"
	"slices"
	"testing"

	"ember.dev/guest/internal/identity"
)

func TestTheSeedIsThisVMsIdentity(t *testing.T) {
	id := &identity.Identity{VMID: "abc", Hostname: "web", Agent: identity.Agent{AuthorizedKeys: []string{"ssh-ed25519 AAAA me: \"you\""}}}
	files, err := Seed(id)
	if err != nil {
		t.Fatal(err)
	}
	var meta struct {
		InstanceID string   `json:"instance-id"`
		Hostname   string   `json:"local-hostname"`
		Keys       []string `json:"public-keys"`
	}
	if err := json.Unmarshal([]byte(files["meta-data"]), &meta); err != nil {
		t.Fatal(err)
	}
	if meta.InstanceID != "abc" || meta.Hostname != "web" || !slices.Equal(meta.Keys, id.Agent.AuthorizedKeys) {
		t.Errorf("got %+v", meta)
	}
	if files["network-config"] != "config: disabled\n" || files["user-data"] != "#cloud-config\n{}\n" {
		t.Errorf("got %q", files)
	}
}

func TestUserDataIsHandedOnAsItIs(t *testing.T) {
	const script = "#!/bin/sh\necho 'hello: \"you\"'\n"
	files, err := Seed(&identity.Identity{VMID: "abc", Hostname: "web", UserData: script})
	if err != nil || files["user-data"] != script {
		t.Errorf("got %q, %v", files["user-data"], err)
	}
}
