// Package guest puts the parts of a running guest together: agent, control,
// entrypoint and shutdown.
package guest

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"ember.dev/guest/internal/console"
	"ember.dev/guest/internal/identity"
)

// AgentName is argv[0] of the agent beside an image's init. Systemd's last
// killing spree spares root's processes whose name begins with an '@'.
const AgentName = "@ember-guest"

// handoverFD and the descriptors after it are how the agent inherits its start.
const handoverFD = 3

// Spec is everything the running guest is made from.
type Spec struct {
	Identity   *identity.Identity `json:"identity"`
	Mode       string             `json:"mode"`
	ImageHosts string             `json:"imageHosts"`
	Modules    int                `json:"modules"` // how many descriptors follow
}

// WriteHandover puts a spec into anonymous memory for the agent process.
func WriteHandover(spec Spec) (*os.File, error) {
	data, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("handover", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("hand the identity over: %w", err)
	}
	f := os.NewFile(uintptr(fd), "handover")
	if _, err := f.Write(data); err != nil {
		return nil, fmt.Errorf("hand the identity over: %w", err)
	}
	_, err = f.Seek(0, io.SeekStart)
	return f, err
}

// AgentMain is the agent process beside an image's init. It never returns.
func AgentMain() {
	out := console.Open()
	spec, modules, err := readHandover()
	if err == nil {
		err = Run(spec, out, modules, false)
	}
	if err != nil {
		out.Printf("fatal: %v", err)
		powerOffAfterFailure(out, spec.Identity)
	}
	select {}
}

func readHandover() (spec Spec, modules []*os.File, err error) {
	f := os.NewFile(handoverFD, "handover")
	data, err := io.ReadAll(f)
	if err != nil {
		return spec, nil, fmt.Errorf("take the identity over: %w", err)
	}
	_ = f.Close() // anonymous memory goes with it
	if err := json.Unmarshal(data, &spec); err != nil {
		return spec, nil, fmt.Errorf("take the identity over: %w", err)
	}
	clear(data)
	for i := range spec.Modules {
		fd := handoverFD + 1 + i
		unix.CloseOnExec(fd)
		modules = append(modules, os.NewFile(uintptr(fd), "module"))
	}
	return spec, modules, nil
}
