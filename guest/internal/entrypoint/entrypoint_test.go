package entrypoint

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ember.dev/guest/internal/console"
	"ember.dev/guest/internal/identity"
	"ember.dev/guest/internal/process"
	"ember.dev/guest/internal/users"
)

var table = process.NewTable(false)

type run struct {
	Entrypoint
	path   string
	exited chan struct{}
}

func begin(t *testing.T, spec identity.Process) *run {
	t.Helper()
	r := &run{path: filepath.Join(t.TempDir(), "console"), exited: make(chan struct{})}
	if err := os.WriteFile(r.path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.Run(table, users.DB{Root: t.TempDir()}, spec, console.OpenPath(r.path), func() { close(r.exited) })
	return r
}

func (r *run) wait(t *testing.T) string {
	t.Helper()
	select {
	case <-r.exited:
	case <-time.After(10 * time.Second):
		t.Fatal("it did not end")
	}
	data, _ := os.ReadFile(r.path)
	return string(data)
}

// self is the user the tests run as: changing to any other needs root.
func self() string { return strconv.Itoa(os.Geteuid()) }

func TestOutputAndStatusGoToTheConsole(t *testing.T) {
	r := begin(t, identity.Process{User: self(), Workdir: t.TempDir(), Env: []string{"A=b"}, Argv: []string{"sh", "-c", "echo $A; printf last; exit 9"}})
	if got := r.wait(t); got != "ember-out: b\nember-out: last\nember-guest: process exited 9\n" {
		t.Errorf("%q", got)
	}
	if s := r.State(); s.State != "exited" || *s.ExitStatus != 9 || s.PID == 0 {
		t.Errorf("%+v", s)
	}
}

func TestFailedStartIsExplained(t *testing.T) {
	r := begin(t, identity.Process{User: self(), Argv: []string{"no-such-program-ember"}})
	got := r.wait(t)
	if !strings.Contains(got, "no-such-program-ember: command not found") || !strings.HasSuffix(got, "process exited 127\n") {
		t.Errorf("%q", got)
	}
	r = begin(t, identity.Process{User: "nosuchuser-ember", Argv: []string{"true"}})
	if got := r.wait(t); !strings.Contains(got, "nosuchuser-ember") || !strings.HasSuffix(got, "process exited 126\n") {
		t.Errorf("%q", got)
	}
}

func TestStopSendsTheSignalAndTellsTheEnd(t *testing.T) {
	r := begin(t, identity.Process{User: self(), Argv: []string{"sh", "-c", "trap 'exit 4' QUIT; echo up; while :; do sleep 0.05; done"}})
	for range 500 {
		if data, _ := os.ReadFile(r.path); strings.Contains(string(data), "up") {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if s := r.State(); s.State != "running" {
		t.Errorf("%+v", s)
	}
	<-r.Stop(unix.SIGQUIT)
	if got := r.wait(t); !strings.HasSuffix(got, "process exited 4\n") {
		t.Errorf("%q", got)
	}
	if r.Stop(unix.SIGQUIT) != nil {
		t.Error("stopped twice")
	}
	if s := (&Entrypoint{}).State(); s.State != "none" {
		t.Errorf("%+v", s)
	}
}
