package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// orphanRun makes this binary a process that adopts orphans, as process 1 does.
const orphanRun = "EMBER_TEST_ORPHANS"

func TestMain(m *testing.M) {
	if os.Getenv(orphanRun) != "" {
		os.Exit(collectOrphans())
	}
	os.Exit(m.Run())
}

func collectOrphans() int {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Println(err)
		return 1
	}
	table := NewTable(true)
	for i := range 50 {
		p, err := table.Start(shell(fmt.Sprintf("(sleep 0.05 &) ; (true &) ; exit %d", i)))
		if err != nil || p.Wait() != i {
			fmt.Println("status", i, err)
			return 1
		}
		if _, err := table.Start(Spec{Path: "/no/such/program", Argv: []string{"x"}, Dir: "/"}); !errors.Is(err, syscall.ENOENT) {
			fmt.Println("failed start", err)
			return 1
		}
	}
	for range 200 { // until the last sleep has been collected
		if err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err == unix.ECHILD {
			return 0
		}
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Println("children are left")
	return 1
}

func shell(script string) Spec {
	null, _ := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	return Spec{Path: "/bin/sh", Argv: []string{"sh", "-c", script}, Dir: "/", Files: []*os.File{null, null, null}}
}

func TestOrphansAreCollectedAndStatusesKept(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), orphanRun+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestOtherWaitersAreLeftAlone(t *testing.T) {
	table := NewTable(false)
	p, err := table.Start(shell("kill -9 $$"))
	if err != nil {
		t.Fatal(err)
	}
	if err := exec.Command("sh", "-c", "exit 3").Run(); err == nil || err.(*exec.ExitError).ExitCode() != 3 {
		t.Error(err)
	}
	if status := p.Wait(); status != 137 {
		t.Errorf("%d", status)
	}
	p.SignalGroup(unix.SIGKILL) // after the end: must not reach anybody
}

func TestHangupBecomesKill(t *testing.T) {
	table := NewTable(false)
	p, err := table.Start(shell("trap '' HUP; while :; do sleep 0.05; done"))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	p.Hangup(100 * time.Millisecond)
	if status := p.Wait(); status != 137 && status != 129 {
		t.Errorf("%d", status)
	}
}

func TestOutputIsCompleteWhenASilentGrandchildHoldsIt(t *testing.T) {
	table := NewTable(false)
	var out, errOut bytes.Buffer
	p, finish, err := StartWithOutput(table, shell("sleep 3 & printf a; printf b >&2"), &out, &errOut)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	p.Wait()
	finish()
	if out.String() != "a" || errOut.String() != "b" || time.Since(start) > 2*time.Second {
		t.Errorf("%q %q after %s", out.String(), errOut.String(), time.Since(start))
	}
}

func TestChattyGrandchildIsCutOff(t *testing.T) {
	table := NewTable(false)
	var out bytes.Buffer
	p, finish, err := StartWithOutput(table, shell("(i=0; while [ $i -lt 300 ]; do echo x; sleep 0.02; i=$((i+1)); done) & exit 0"), &out, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	p.Wait()
	finish()
	if time.Since(start) > 4*time.Second {
		t.Errorf("waited %s", time.Since(start))
	}
}

func TestEnvironmentsAreMergedInOrder(t *testing.T) {
	got := MergeEnv([]string{"A=1", "B=2"}, nil, []string{"B=3", "C=4"}, []string{"A=5"})
	if !slices.Equal(got, []string{"A=5", "B=3", "C=4"}) {
		t.Errorf("%q", got)
	}
	if v, ok := Getenv(got, "B"); v != "3" || !ok {
		t.Error(v)
	}
	if _, ok := Getenv(got, "AB"); ok {
		t.Error("a prefix of a name was found")
	}
}

func TestSignalNames(t *testing.T) {
	for name, want := range map[string]syscall.Signal{
		"SIGTERM": 15, "TERM": 15, "sigquit": 3, "3": 3, "SIGRTMIN": 34, "SIGRTMIN+3": 37, "RTMIN+4": 38,
	} {
		if got, err := ParseSignal(name); got != want || err != nil {
			t.Errorf("%s: %d, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "0", "-9", "99", "SIGNOPE", "SIGRTMIN+x", "SIGRTMIN+99"} {
		if got, err := ParseSignal(name); err == nil {
			t.Errorf("%q: %d", name, got)
		}
	}
}

func TestLookUsesThePathOfTheEnvironment(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"tool": 0o755, "plain": 0o644} {
		if err := os.WriteFile(dir+"/"+name, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"PATH=/nowhere:" + dir}
	if path, err := Look("tool", env, "/"); err != nil || path != dir+"/tool" {
		t.Error(path, err)
	}
	if _, err := Look("plain", env, "/"); StartStatus(err) != StatusNotExecutable {
		t.Error(err)
	}
	if _, err := Look("absent", env, "/"); StartStatus(err) != StatusNotFound || !strings.Contains(err.Error(), "absent") {
		t.Error(err)
	}
	if path, err := Look("tool", []string{"PATH=."}, dir); err != nil || path != dir+"/tool" {
		t.Error(path, err)
	}
	if _, err := Look("", nil, "/"); err == nil {
		t.Error("an empty name was found")
	}
}
