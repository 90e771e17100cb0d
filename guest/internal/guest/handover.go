// Package guest puts the parts of a running guest together: agent, control,
// entrypoint and shutdown.
package guest

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"ember.dev/guest/internal/console"
	"ember.dev/guest/internal/identity"
)

// AgentName is argv[0] of the agent beside an image's init. Systemd's last
// killing spree spares root's processes whose name begins with an '@'.
const AgentName = "@ember-guest"

// What the agent process inherits, by descriptor: the identity document in
// anonymous memory, a pipe that it closes when it answers, the initramfs, and
// modules to load.
const (
	identityFD = 3 + iota
	readyFD
	initramfsFD
	firstModuleFD
)

// StartAgent runs this program again as the agent and waits until it answers,
// but not for ever. The identity never touches a disk, a command line or an
// environment.
func StartAgent(document []byte, initramfs *os.File, modules []*os.File, env []string, limit time.Duration) error {
	memory, err := anonymousFile(document)
	if err != nil {
		return fmt.Errorf("hand the identity over: %w", err)
	}
	defer memory.Close() //nolint:errcheck // the agent has its own
	ready, answers, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close() //nolint:errcheck // read side
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close() //nolint:errcheck // read-only
	files := append([]*os.File{null, os.Stdout, os.Stderr, memory, answers, initramfs}, modules...)
	_, err = os.StartProcess("/proc/self/exe", []string{AgentName, strconv.Itoa(len(modules))}, &os.ProcAttr{
		Dir: "/", Env: env, Files: files, Sys: &unix.SysProcAttr{Setsid: true},
	})
	_ = answers.Close() // the agent has its own
	if err != nil {
		return fmt.Errorf("start the agent: %w", err)
	}
	// An init that starts at once would compete with the agent for the first
	// moments; the host waits for the agent.
	_ = ready.SetReadDeadline(time.Now().Add(limit))
	_, _ = ready.Read(make([]byte, 1)) // ends by the agent's close, or by the deadline
	return nil
}

func anonymousFile(content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("identity", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "identity")
	if _, err := f.Write(content); err != nil {
		return nil, err
	}
	_, err = f.Seek(0, io.SeekStart)
	return f, err
}

// AgentMain is the agent process beside an image's init. It never returns.
func AgentMain(args []string) {
	out := console.Open()
	spec, err := takeOver(args)
	if err == nil {
		err = Run(spec, out)
	}
	if err != nil {
		out.Printf("fatal: %v", err)
		powerOffAfterFailure(out, spec.Identity)
	}
	_ = os.NewFile(readyFD, "ready").Close() // process 1 goes on
	spec.Settle(out)
	select {}
}

func takeOver(args []string) (Spec, error) {
	spec := Spec{Mode: identity.ModeInit}
	memory := os.NewFile(identityFD, "identity")
	document, err := io.ReadAll(memory)
	_ = memory.Close() // the memory goes with it
	if err != nil {
		return spec, fmt.Errorf("take the identity over: %w", err)
	}
	unix.CloseOnExec(readyFD)
	unix.CloseOnExec(initramfsFD)
	spec.Initramfs = os.NewFile(initramfsFD, "initramfs")
	modules := 0
	if len(args) > 1 {
		modules, _ = strconv.Atoi(args[1]) // written by StartAgent
	}
	for fd := firstModuleFD; fd < firstModuleFD+modules; fd++ {
		unix.CloseOnExec(fd)
		spec.Modules = append(spec.Modules, os.NewFile(uintptr(fd), "module"))
	}
	spec.Identity, err = identity.Parse(document)
	clear(document)
	return spec, err
}
