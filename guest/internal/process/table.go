// Package process starts children and waits for them. It exists because the
// guest's first process must reap every orphan, which os/exec does not survive:
// here one place owns every wait.
package process

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Table knows every child that this process has started.
type Table struct {
	mu    sync.Mutex
	procs map[int]*Process
	// orphans is true in process 1, which also collects children it never started.
	orphans bool
	oom     *os.File
}

// NewTable starts the only waiter of this program. Orphans is for process 1.
func NewTable(orphans bool) *Table {
	t := &Table{procs: map[int]*Process{}, orphans: orphans}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGCHLD)
	go func() {
		for range signals {
			t.reap()
		}
	}()
	return t
}

// Start runs a program. Holding the lock across fork means that a child that
// exits at once is registered before anybody can collect it, and that the
// failed child which ForkExec collects by itself is not taken from it.
func (t *Table) Start(spec Spec) (*Process, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.setOOM(childScore)
	defer t.setOOM(ownScore)
	files := make([]uintptr, len(spec.Files))
	for i, f := range spec.Files {
		files[i] = f.Fd()
		spec.give(int(files[i]))
	}
	pid, err := syscall.ForkExec(spec.Path, spec.Argv, &syscall.ProcAttr{
		Dir: spec.Dir, Env: spec.Env, Files: files,
		Sys: &syscall.SysProcAttr{
			Setsid:     true,
			Setctty:    spec.TTY,
			Credential: spec.credential(),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Path, err)
	}
	p := &Process{PID: pid, table: t, done: make(chan struct{})}
	t.procs[pid] = p
	return p, nil
}

func (t *Table) reap() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.orphans {
		for t.collect(-1) {
		}
		return
	}
	for pid := range t.procs {
		t.collect(pid)
	}
}

func (t *Table) collect(which int) bool {
	var status unix.WaitStatus
	pid, err := unix.Wait4(which, &status, unix.WNOHANG, nil)
	for err == unix.EINTR {
		pid, err = unix.Wait4(which, &status, unix.WNOHANG, nil)
	}
	if err != nil || pid <= 0 {
		return false
	}
	if p := t.procs[pid]; p != nil {
		delete(t.procs, pid)
		p.status = exitStatus(status)
		p.ended = true
		close(p.done)
	}
	return true
}

// exitStatus maps a death by signal n to 128+n, as shells do.
func exitStatus(status unix.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// Process is one child.
type Process struct {
	PID    int
	table  *Table
	done   chan struct{}
	ended  bool // guarded by table.mu
	status int  // valid once done is closed
}

// Done is closed when the child has ended and been collected.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait returns the exit status, 128+n after signal n.
func (p *Process) Wait() int {
	<-p.done
	return p.status
}

// SignalGroup signals the child's process group. It does nothing once the
// child was collected: its number may belong to somebody else by then.
func (p *Process) SignalGroup(sig syscall.Signal) { p.signal(-p.PID, sig) }

// Signal signals the child alone.
func (p *Process) Signal(sig syscall.Signal) { p.signal(p.PID, sig) }

func (p *Process) signal(target int, sig syscall.Signal) {
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	if !p.ended {
		_ = syscall.Kill(target, sig) // ended meanwhile, not yet collected
	}
}

// Hangup tells the group that its user has gone, and ends it after the grace.
func (p *Process) Hangup(grace time.Duration) {
	p.SignalGroup(unix.SIGHUP)
	select {
	case <-p.done:
	case <-time.After(grace):
		p.SignalGroup(unix.SIGKILL)
	}
}
