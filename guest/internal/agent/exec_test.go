package agent

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

func TestExitStatusIsExact(t *testing.T) {
	c := newServer(t).client(t)
	for _, want := range []int{0, 1, 3, 126, 127, 255} {
		if r := run(t, c, fmt.Sprintf("exit %d", want), nil); r.status != want {
			t.Errorf("exit %d gave %d", want, r.status)
		}
	}
	if r := run(t, c, direct(map[string]any{"argv": []string{"sh", "-c", "kill -9 $$"}}), nil); r.status != 137 {
		t.Errorf("killed by signal 9 gave %d", r.status)
	}
	if r := run(t, c, "kill -TERM $$", nil); r.status != 143 {
		t.Errorf("killed by signal 15 gave %d", r.status)
	}
}

func TestOutputsStayApart(t *testing.T) {
	c := newServer(t).client(t)
	r := run(t, c, "echo out; echo err >&2", nil)
	if r.stdout != "out\n" || r.stderr != "err\n" {
		t.Errorf("%+v", r)
	}
}

func TestEndOfInputReachesTheCommandAndOutputFollows(t *testing.T) {
	c := newServer(t).client(t)
	r := run(t, c, "cat >/dev/null; echo after", strings.NewReader("some input"))
	if r.stdout != "after\n" {
		t.Errorf("%+v", r)
	}
}

func TestStreamsAreBinarySafe(t *testing.T) {
	c := newServer(t).client(t)
	data := make([]byte, 3<<20+17)
	_, _ = rand.Read(data)
	r := run(t, c, direct(map[string]any{"argv": []string{"cat"}}), bytes.NewReader(data))
	if r.stdout != string(data) {
		t.Errorf("%d bytes came back, or others", len(r.stdout))
	}
	sum := sha256.Sum256(data)
	r = run(t, c, "sha256sum", bytes.NewReader(data))
	if !strings.HasPrefix(r.stdout, hex.EncodeToString(sum[:])) {
		t.Errorf("the command saw other bytes: %s", r.stdout)
	}
}

func TestCommandThatIgnoresItsInputEnds(t *testing.T) {
	c := newServer(t).client(t)
	s := openSession(t, c)
	stdin, err := s.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		block := make([]byte, 1<<20)
		for {
			if _, err := stdin.Write(block); err != nil {
				return
			}
		}
	}()
	if err := s.Run("sleep 0.2; exit 4"); err == nil || err.(*ssh.ExitError).ExitStatus() != 4 {
		t.Error(err)
	}
}

func TestGrandchildKeepingTheOutputDoesNotBlock(t *testing.T) {
	c := newServer(t).client(t)
	start := time.Now()
	r := run(t, c, "sleep 30 & echo $!", nil)
	if time.Since(start) > 5*time.Second {
		t.Error("the session waited for the grandchild")
	}
	pid := strings.TrimSpace(r.stdout)
	if r := run(t, c, "kill "+pid, nil); r.status != 0 {
		t.Errorf("the grandchild was ended with its session: %+v", r)
	}
}

func TestEverythingWrittenBeforeTheExitArrives(t *testing.T) {
	c := newServer(t).client(t)
	// The pipe stays open behind a grandchild, so the end is found by draining.
	r := run(t, c, "sleep 5 & p=$!; head -c 200000 /dev/zero; (sleep 1; kill $p) >/dev/null 2>&1 &", nil)
	if len(r.stdout) != 200000 {
		t.Errorf("%d bytes", len(r.stdout))
	}
}

func TestEnvironmentIsLayered(t *testing.T) {
	c := newServer(t).client(t)
	r := run(t, c, direct(map[string]any{"argv": []string{"env"}, "env": []string{"OVERRIDE=request", "OWN=1"}}), nil)
	for _, want := range []string{"FROM_IMAGE=yes", "OVERRIDE=request", "OWN=1", "HOME=", "PATH="} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("%s is missing in %q", want, r.stdout)
		}
	}
	s := openSession(t, c)
	if err := s.Setenv("LC_X", "y"); err != nil {
		t.Fatal(err)
	}
	out, err := s.Output(`echo "$LC_X $USER $FROM_IMAGE $SHELL"`)
	if err != nil || !strings.HasPrefix(string(out), "y "+me()+" yes /") && os.Geteuid() == 0 {
		t.Errorf("%q, %v", out, err)
	}
}

func TestWorkingDirectory(t *testing.T) {
	f := newServer(t)
	c := f.client(t)
	dir, _ := filepath.EvalSymlinks(t.TempDir())
	if r := run(t, c, direct(map[string]any{"argv": []string{"pwd"}, "cwd": dir}), nil); r.stdout != dir+"\n" {
		t.Errorf("%+v", r)
	}
	if r := run(t, c, direct(map[string]any{"argv": []string{"pwd"}}), nil); r.stdout != "/\n" {
		t.Errorf("default: %+v", r)
	}
	r := run(t, c, direct(map[string]any{"argv": []string{"pwd"}, "cwd": "/no/such/dir"}), nil)
	if r.status != 126 || !strings.Contains(r.stderr, "/no/such/dir: no such file or directory") {
		t.Errorf("%+v", r)
	}
	tool := filepath.Join(dir, "tool")
	if err := os.WriteFile(tool, []byte("#!/bin/sh\necho ran\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if r := run(t, c, direct(map[string]any{"argv": []string{"./tool"}, "cwd": dir}), nil); r.stdout != "ran\n" {
		t.Errorf("relative program: %+v", r)
	}
}

func TestCommandsThatCannotStart(t *testing.T) {
	c := newServer(t).client(t)
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name    string
		request map[string]any
		status  int
		message string
	}{
		{"unknown name", map[string]any{"argv": []string{"no-such-command-ember"}}, 127, "no-such-command-ember: command not found"},
		{"unknown path", map[string]any{"argv": []string{"/no/such"}}, 127, "/no/such: command not found"},
		{"not executable", map[string]any{"argv": []string{plain}}, 126, "permission denied"},
		{"a directory", map[string]any{"argv": []string{"/tmp"}}, 126, "is a directory"},
		{"no argv", map[string]any{"argv": []string{}}, 126, "argv is empty"},
		{"unknown user", map[string]any{"argv": []string{"true"}, "user": "nosuchuser-ember"}, 126, "nosuchuser-ember"},
		{"bad env", map[string]any{"argv": []string{"true"}, "env": []string{"novalue"}}, 126, "novalue"},
		{"NUL", map[string]any{"argv": []string{"true", "a\x00b"}}, 126, "NUL"},
		{"PATH of the request", map[string]any{"argv": []string{"true"}, "env": []string{"PATH=/nowhere"}}, 127, "true: command not found"},
	}
	for _, c2 := range cases {
		r := run(t, c, direct(c2.request), nil)
		if r.status != c2.status || !strings.Contains(r.stderr, c2.message) {
			t.Errorf("%s: %+v", c2.name, r)
		}
	}
	if r := run(t, c, "\x00{not json", nil); r.status != 126 || !strings.Contains(r.stderr, "exec request") {
		t.Errorf("malformed request: %+v", r)
	}
}

func TestArgumentsNeedNoQuoting(t *testing.T) {
	c := newServer(t).client(t)
	args := []string{"a b", "$HOME", "'", `"`, "*", "", "ü\n;x"}
	r := run(t, c, direct(map[string]any{"argv": append([]string{"printf", "<%s>"}, args...)}), nil)
	if want := "<" + strings.Join(args, "><") + ">"; r.stdout != want {
		t.Errorf("%q", r.stdout)
	}
	r = run(t, c, direct(map[string]any{"login": true, "argv": append([]string{"printf", "<%s>"}, args...)}), nil)
	if want := "<" + strings.Join(args, "><") + ">"; !strings.HasSuffix(r.stdout, want) {
		t.Errorf("through a login shell: %q", r.stdout)
	}
}

func TestDetachedCommandOutlivesItsSession(t *testing.T) {
	f := newServer(t)
	c := f.client(t)
	flag := filepath.Join(t.TempDir(), "flag")
	r := run(t, c, direct(map[string]any{"detach": true, "argv": []string{"sh", "-c", "echo started; sleep 0.3; echo done > " + flag}}), nil)
	var answer struct{ PID int }
	if err := json.Unmarshal([]byte(r.stdout), &answer); err != nil || answer.PID <= 1 || r.status != 0 {
		t.Fatalf("%+v", r)
	}
	_ = c.Close()
	eventually(t, "the command went on", func() bool { _, err := os.Stat(flag); return err == nil })
	eventually(t, "its output went to the console", func() bool { return f.output.String() == "started\n" })
}

func TestClosingTheChannelEndsTheCommand(t *testing.T) {
	c := newServer(t).client(t)
	s := openSession(t, c)
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("echo $$; exec sleep 60"); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	eventually(t, "the command has ended", func() bool { _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); return err != nil })
}

func TestSignalRequestReachesTheGroup(t *testing.T) {
	c := newServer(t).client(t)
	s := openSession(t, c)
	out, _ := s.StdoutPipe()
	if err := s.Start("trap 'echo got; exit 5' USR1; echo ready; while :; do sleep 0.1; done"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("ready\n"))); err != nil {
		t.Fatal(err)
	}
	if err := s.Signal(ssh.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if err := s.Wait(); err == nil || err.(*ssh.ExitError).ExitStatus() != 5 {
		t.Error(err)
	}
}

func TestManySessionsAtOnce(t *testing.T) {
	c := newServer(t).client(t)
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			s, err := c.NewSession()
			if err != nil {
				t.Error(err)
				return
			}
			out, err := s.Output(fmt.Sprintf("echo %d", i))
			if err != nil || string(out) != fmt.Sprintf("%d\n", i) {
				t.Errorf("session %d: %q, %v", i, out, err)
			}
		})
	}
	wg.Wait()
}

func TestCommandsRunAsAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("changing users needs root")
	}
	f := newServer(t)
	c := f.client(t)
	r := run(t, c, direct(map[string]any{"argv": []string{"id", "-u"}, "user": "65534"}), nil)
	if r.stdout != "65534\n" {
		t.Errorf("%+v", r)
	}
	r = run(t, c, direct(map[string]any{"argv": []string{"sh", "-c", "id -g; id -G; echo x > /dev/stdout"}, "user": "1234:4321"}), nil)
	if r.stdout != "4321\n4321\nx\n" {
		t.Errorf("%+v", r)
	}
	other := f.clientAs(t, "65534")
	if r := run(t, other, direct(map[string]any{"argv": []string{"id", "-u"}}), nil); r.stdout != "65534\n" {
		t.Errorf("login as another user: %+v", r)
	}
	if r := run(t, other, direct(map[string]any{"argv": []string{"id"}, "user": "root"}), nil); r.status != 126 {
		t.Errorf("another user became root: %+v", r)
	}
}

func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !check(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 5 s: %s", what)
		}
	}
}
