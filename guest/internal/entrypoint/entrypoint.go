// Package entrypoint runs the image's own command and keeps an eye on it.
package entrypoint

import (
	"os"
	"sync"
	"syscall"

	"ember.dev/guest/internal/console"
	"ember.dev/guest/internal/identity"
	"ember.dev/guest/internal/process"
	"ember.dev/guest/internal/users"
)

// OutputPrefix marks the command's lines on the console.
const OutputPrefix = "ember-out: "

// State is what the control method "info" reports.
type State struct {
	State      string `json:"state"` // running, exited or none
	PID        int    `json:"pid,omitempty"`
	ExitStatus *int   `json:"exitStatus,omitempty"`
}

// Entrypoint is the one supervised command of a guest; the zero value has none.
type Entrypoint struct {
	mu    sync.Mutex
	proc  *process.Process
	state State
}

// State returns a copy of the current state.
func (e *Entrypoint) State() State {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.state.State == "" {
		return State{State: "none"}
	}
	return e.state
}

// Run starts the command and returns; onExit is called after the console has
// the command's last line and its status.
func (e *Entrypoint) Run(table *process.Table, db users.DB, spec identity.Process, out *console.Console, onExit func()) {
	stdout := console.NewLines(out, OutputPrefix)
	stderr := console.NewLines(out, OutputPrefix)
	proc, finish, err := start(table, db, spec, stdout, stderr)
	if err != nil {
		out.Printf("process did not start: %v", err)
		e.ended(out, process.StartStatus(err), onExit)
		return
	}
	e.mu.Lock()
	e.proc = proc
	e.state = State{State: "running", PID: proc.PID}
	e.mu.Unlock()
	go func() {
		status := proc.Wait()
		finish()
		stdout.Flush()
		stderr.Flush()
		e.ended(out, status, onExit)
	}()
}

func (e *Entrypoint) ended(out *console.Console, status int, onExit func()) {
	e.mu.Lock()
	e.state = State{State: "exited", PID: e.state.PID, ExitStatus: &status}
	e.mu.Unlock()
	out.Printf("process exited %d", status)
	onExit()
}

// Stop sends the stop signal and returns a channel that is closed when the
// command has ended, or nil when none is running.
func (e *Entrypoint) Stop(sig syscall.Signal) <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.proc == nil || e.state.State != "running" {
		return nil
	}
	e.proc.Signal(sig)
	return e.proc.Done()
}

func start(table *process.Table, db users.DB, spec identity.Process, stdout, stderr *console.Lines) (*process.Process, func(), error) {
	user, err := db.Lookup(spec.User)
	if err != nil {
		return nil, nil, err
	}
	dir := spec.Workdir
	if dir == "" {
		dir = "/"
	}
	// A missing working directory is made, as container runtimes do; whether it worked, CheckDir says.
	_ = os.MkdirAll(dir, 0o755)
	if err := process.CheckDir(dir); err != nil {
		return nil, nil, err
	}
	hostname, _ := os.Hostname() // empty is what a program without the variable would find, too
	env := process.MergeEnv(process.UserEnv(user), []string{"HOSTNAME=" + hostname}, spec.Env)
	path, err := process.Look(spec.Argv[0], env, dir)
	if err != nil {
		return nil, nil, err
	}
	return process.StartWithOutput(table, process.Spec{Path: path, Argv: spec.Argv, Env: env, Dir: dir, User: &user}, stdout, stderr)
}
