package installation

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"ember.dev/net/internal/fault"
	"ember.dev/net/internal/guest"
	"ember.dev/net/internal/policy"
	"ember.dev/net/internal/publish"
)

// routed are the settings of a VM whose cable's end on the host is the loopback: enough to listen there.
func routed(t *testing.T) guest.Settings {
	return guest.Settings{
		ID: "0123456789ab", Name: "web", MAC: "52:54:00:00:00:01", Address: "127.0.0.2", Prefix: 30, Gateway: "127.0.0.1",
		Resolver: "127.0.0.1", MTU: 1500, Link: guest.Link{Kind: guest.RedirectLink, Device: "lo"}, Connected: true,
		Policy: policy.Open(), FlowRecord: filepath.Join(t.TempDir(), "flows.json"),
	}
}

func TestVMWhosePacketsTheHostRoutesIsAttachedAndTold(t *testing.T) {
	i := New(time.Hour, func() {})
	defer i.Close()
	settings := routed(t)
	if err := i.Attach(settings); err != nil {
		t.Fatal(err)
	}
	status := i.Status()[0]
	if status.Redirect == nil || status.Redirect.Address.String() != "127.0.0.1" || !status.Linked || status.Ports == nil {
		t.Fatalf("%+v", status)
	}
	if err := i.Attach(settings); err != nil || *i.Status()[0].Redirect != *status.Redirect {
		t.Errorf("attached again: %v, %+v", err, i.Status())
	}
	if err := i.SetPolicy(settings.ID, policy.Policy{Default: policy.ActionRefuse}, nil, nil); err != nil {
		t.Error(err)
	}
	err := i.Publish(settings.ID, []publish.Port{{Protocol: "tcp", HostAddress: "127.0.0.1", HostPort: 1, GuestPort: 1}})
	var refused *fault.Fault
	if !errors.As(err, &refused) || refused.Code != fault.Unsupported {
		t.Errorf("ports: %v", err)
	}
	i.Detach(settings.ID)
	address := fmt.Sprintf("127.0.0.1:%d", status.Redirect.TCPPort)
	if _, err := net.Dial("tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after it was detached: %v", err)
	}
}

func TestLinkThatCannotBeIsNotAttached(t *testing.T) {
	i := New(time.Hour, func() {})
	defer i.Close()
	for name, change := range map[string]func(*guest.Settings){
		"no such device":       func(s *guest.Settings) { s.Link.Device = "nosuchdevice0" },
		"no device":            func(s *guest.Settings) { s.Link.Device = "" },
		"a path":               func(s *guest.Settings) { s.Link.Path = "/run/x" },
		"a device of a stream": func(s *guest.Settings) { s.Link.Kind = "stream" },
		"an agent":             func(s *guest.Settings) { s.Agent.Path = filepath.Join(t.TempDir(), "agent") },
		"an unknown kind":      func(s *guest.Settings) { s.Link.Kind = "bridge" },
	} {
		settings := routed(t)
		change(&settings)
		if err := i.Attach(settings); err == nil {
			t.Errorf("%s: attached", name)
		}
	}
	if got := i.Status(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}
