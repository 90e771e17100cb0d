package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ember.dev/net/internal/installation"
)

// serving is a server for one test, and a client of it.
type serving struct {
	t    *testing.T
	path string
	conn net.Conn
	read *bufio.Reader
}

func serve(t *testing.T) *serving {
	t.Helper()
	path := filepath.Join(t.TempDir(), "net.sock")
	network := installation.New(time.Hour, func() {})
	server, err := Listen(path, network)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(ctx)
		network.Close()
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &serving{t: t, path: path, conn: conn, read: bufio.NewReader(conn)}
}

// ask sends a line, and gives the answer or the code of the error in it.
func (s *serving) ask(line string) (answer map[string]any, code string) {
	s.t.Helper()
	if _, err := fmt.Fprintln(s.conn, line); err != nil {
		s.t.Fatal(err)
	}
	text, err := s.read.ReadString('\n')
	if err != nil {
		s.t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		s.t.Fatal(err)
	}
	if failure, ok := answer["error"].(map[string]any); ok {
		code = fmt.Sprint(failure["code"])
	} else if answer["ok"] != true {
		s.t.Errorf("%s: %s", line, text)
	}
	return answer, code
}

func (s *serving) attach(change func(vm map[string]any)) string {
	s.t.Helper()
	folder := filepath.Dir(s.path)
	vm := map[string]any{
		"id": "0123456789ab", "name": "web", "mac": "52:54:00:00:00:01", "address": "10.100.0.3", "prefix": 29,
		"gateway": "10.100.0.1", "resolver": "10.100.0.2", "address6": "", "gateway6": "", "resolver6": "", "mtu": 65520,
		"link":  map[string]any{"kind": "stream", "path": filepath.Join(folder, "eth")},
		"agent": map[string]any{"path": filepath.Join(folder, "agent")}, "connected": true, "ports": []any{},
		"policy": map[string]any{"default": "allow", "rules": []any{}}, "secrets": []any{}, "authority": nil,
		"flowRecord": filepath.Join(folder, "flows.json"), "answers": filepath.Join(folder, "answers"),
	}
	change(vm)
	line, err := json.Marshal(map[string]any{"op": "attach", "vm": vm})
	if err != nil {
		s.t.Fatal(err)
	}
	_, code := s.ask(string(line))
	return code
}

func TestRequestsThatAreNotUnderstoodAreRefusedAndTheNextIsAnswered(t *testing.T) {
	s := serve(t)
	for line, want := range map[string]string{
		`nonsense`:                        "usage",
		`[]`:                              "usage",
		`{}`:                              "unsupported",
		`{"op":"fly"}`:                    "unsupported",
		`{"op":"hello","loud":true}`:      "usage",
		`{"op":"status"} {"op":"status"}`: "usage",
		`{"op":"detach","id":7}`:          "usage",
		`{"op":"flows","id":"nobody"}`:    "not-found",
		`{"op":"forget","id":"nobody"}`:   "not-found",
		`{"op":"publish","id":"nobody"}`:  "not-found",
		`{"op":"policy","id":"nobody"}`:   "usage",
		`{"op":"configure","proxy":{"https":"socks5://x"}}`: "usage",
		`{"op":"configure","subnets":["10.0.0.0"]}`:         "usage",
	} {
		if _, code := s.ask(line); code != want {
			t.Errorf("%s: %s", line, code)
		}
		if answer, code := s.ask(`{"op":"hello"}`); code != "" || answer["protocol"] != 2.0 || answer["pid"] != float64(os.Getpid()) {
			t.Errorf("afterwards: %v", answer)
		}
	}
}

func TestAttachingIsWholeOrNothingAndCanBeDoneAgain(t *testing.T) {
	s := serve(t)
	unchanged := func(map[string]any) {}
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	for name, one := range map[string]struct {
		field string
		value any
		code  string
	}{
		"a field that there is not":   {"loud", true, "usage"},
		"no address":                  {"address", "10.100.0", "usage"},
		"a gateway elsewhere":         {"gateway", "10.100.1.1", "usage"},
		"a MAC of many":               {"mac", "53:54:00:00:00:01", "usage"},
		"an MTU that is none":         {"mtu", 100, "usage"},
		"no link":                     {"link", map[string]any{"kind": "string", "path": "/x"}, "usage"},
		"a policy that is none":       {"policy", map[string]any{"default": "perhaps"}, "usage"},
		"secrets without authority":   {"secrets", []any{map[string]any{"name": "T", "placeholder": "placeholder-of-some-length-0123456789", "value": "v", "hosts": []string{"a.example"}}}, "usage"},
		"a port that another one has": {"ports", []any{map[string]any{"protocol": "tcp", "hostAddress": "127.0.0.1", "hostPort": port, "guestPort": 80}}, "port-taken"},
		"an agent's path too long":    {"agent", map[string]any{"path": "/" + strings.Repeat("x", 200)}, "internal"},
	} {
		if code := s.attach(func(vm map[string]any) { vm[one.field] = one.value }); code != one.code {
			t.Errorf("%s: %q", name, code)
		}
		if answer, _ := s.ask(`{"op":"status"}`); len(answer["vms"].([]any)) != 0 {
			t.Fatalf("%s: afterwards %v", name, answer)
		}
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(s.path), "agent")); len(left) > 0 {
			t.Errorf("%s: %v is left", name, left)
		}
	}
	for range 2 {
		if code := s.attach(unchanged); code != "" {
			t.Fatal(code)
		}
	}
	if code := s.attach(func(vm map[string]any) { vm["id"] = "ba9876543210" }); code != "usage" {
		t.Errorf("another VM with the same address: %q", code)
	}
	for range 2 {
		if _, code := s.ask(`{"op":"detach","id":"0123456789ab"}`); code != "" {
			t.Error(code)
		}
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(s.path), "agent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the agent's socket is left: %v", err)
	}
}

func TestTheSocketIsTheOwnersAndOneServersAlone(t *testing.T) {
	s := serve(t)
	if facts, err := os.Stat(s.path); err != nil || facts.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", facts.Mode(), err)
	}
	if _, err := Listen(s.path, installation.New(time.Hour, func() {})); !errors.Is(err, ErrBusy) {
		t.Errorf("a second server: %v", err)
	}
	if _, code := s.ask(`{"op":"hello"}`); code != "" {
		t.Error("the first one is gone")
	}
}

func TestALineWithoutAnEndIsNotKept(t *testing.T) {
	s := serve(t)
	go func() {
		chunk := []byte(strings.Repeat("x", 1<<20))
		for range longestRequest>>20 + 1 {
			if _, err := s.conn.Write(chunk); err != nil {
				return
			}
		}
	}()
	text, err := s.read.ReadString('\n')
	if err != nil || !strings.Contains(text, "longer") {
		t.Errorf("%q, %v", text, err)
	}
}

// FuzzRequests: whatever a client sends in a line, it gets one line.
func FuzzRequests(f *testing.F) {
	f.Add(`{"op":"hello"}`)
	f.Add(`{"op":"policy","id":"x","policy":{"default":"allow","rules":[{"action":"allow","host":"a.b","port":0,"text":"t"}]}}`)
	f.Add(`{"op":"publish","id":"x","ports":[{"protocol":"tcp","hostAddress":"127.0.0.1","hostPort":1,"guestPort":1}]}`)
	server := &Server{network: installation.New(time.Hour, func() {})}
	f.Fuzz(func(t *testing.T, line string) {
		if strings.Contains(line, "attach") || strings.Contains(line, "configure") {
			return // they open sockets
		}
		result, err := server.handle([]byte(line))
		var written strings.Builder
		if err := answer(&written, result, err); err != nil || strings.Count(written.String(), "\n") != 1 {
			t.Errorf("%q: %q, %v", line, written.String(), err)
		}
	})
}
