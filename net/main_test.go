package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"ember.dev/net/internal/peer"
)

// TestMain is ember-net itself when it is started as that.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		main()
		return
	}
	os.Exit(m.Run())
}

const (
	guestMAC   = tcpip.LinkAddress("\x52\x54\x00\x00\x00\x01")
	gatewayMAC = tcpip.LinkAddress("\x52\x54\x00\xee\xee\x01")
)

func startProcess(t *testing.T, folder, idle string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	process := exec.Command(self, "serve", "--socket", "net.sock", "--installation", "abcd1234", "--idle", idle)
	process.Dir = folder
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Kill() // it may have ended
		_ = process.Wait()
	})
	return process
}

// ask sends one request over a connection of its own; it waits for the process to listen.
func ask(t *testing.T, folder string, request map[string]any) map[string]any {
	t.Helper()
	var conn net.Conn
	until(t, "nobody listens", func() (listens bool) {
		var err error
		conn, err = net.Dial("unix", filepath.Join(folder, "net.sock"))
		return err == nil
	})
	defer conn.Close()
	if err := json.NewEncoder(conn).Encode(request); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var answer map[string]any
	if err := json.Unmarshal(line, &answer); err != nil || answer["ok"] != true {
		t.Fatalf("%v: %s", request["op"], line)
	}
	return answer
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

// reaches says whether the guest's DNS over TCP at the resolver answers to a connection.
func reaches(machine *peer.Guest) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	conn, err := machine.DialTCP(ctx, tcpip.AddrFrom4([4]byte{10, 100, 0, 2}), 53)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

func TestAProcessThatWasKilledIsReplacedUnderARunningGuest(t *testing.T) {
	folder := t.TempDir()
	machine := peer.New(t, guestMAC, gatewayMAC, 65520, tcpip.AddrFrom4([4]byte{10, 100, 0, 3}))
	machine.Listen(t, filepath.Join(folder, "eth"))
	attach := map[string]any{"op": "attach", "vm": map[string]any{
		"id": "0123456789ab", "name": "web", "mac": "52:54:00:00:00:01", "address": "10.100.0.3", "prefix": 29,
		"gateway": "10.100.0.1", "resolver": "10.100.0.2", "mtu": 65520, "connected": true,
		// Relative paths: the working folder is the installation's, so that they are short enough for a socket.
		"link": map[string]any{"kind": "stream", "path": "eth"}, "agent": map[string]any{"path": "agent"},
		"policy": map[string]any{"default": "allow", "rules": []any{}}, "flowRecord": "flows.json",
	}}
	var pids []string
	for range 2 {
		process := startProcess(t, folder, "60")
		ask(t, folder, attach)
		until(t, "the guest is not connected", func() bool { return reaches(machine) })
		pids = append(pids, fmt.Sprint(ask(t, folder, map[string]any{"op": "hello"})["pid"]))
		if err := process.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = process.Wait() // it was killed
		if reaches(machine) {
			t.Error("the guest is connected without a process")
		}
	}
	if pids[0] == pids[1] {
		t.Error("it is the same process")
	}
}

func TestAProcessThatNobodyNeedsEndsAndLeavesNoSocket(t *testing.T) {
	folder := t.TempDir()
	process := startProcess(t, folder, "1")
	if err := process.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(folder, "net.sock")); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
}
