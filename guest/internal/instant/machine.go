package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"ember.dev/guest/internal/agent"
	"ember.dev/guest/internal/process"
	"ember.dev/guest/internal/users"
)

// machine accepts whatever it is told over the API, and keeps what its guest needs.
type machine struct {
	id      string
	initrd  string
	vsock   string
	started bool
}

func runFirecracker(args []string) error {
	m := &machine{id: option(args, "--id")}
	listener, err := net.Listen("unix", option(args, "--api-sock"))
	if err != nil {
		return err
	}
	return http.Serve(listener, m)
}

func (m *machine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		state := map[bool]string{false: "Not started", true: "Running"}[m.started]
		answer := map[string]string{"id": m.id, "state": state, "vmm_version": release[1:], "app_name": "Firecracker"}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer) // whoever asked has gone
		return
	}
	var body struct {
		Initrd string `json:"initrd_path"`
		Vsock  string `json:"uds_path"`
		Action string `json:"action_type"`
	}
	err := json.NewDecoder(r.Body).Decode(&body)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
	case body.Action == "InstanceStart":
		m.started = true
		err = startGuest(m.initrd, m.vsock)
	default:
		m.initrd += body.Initrd
		m.vsock += body.Vsock
		err = nil
	}
	if err != nil {
		http.Error(w, fmt.Sprintf(`{"fault_message":%q}`, err.Error()), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// bootTime passes until the guest answers, less than in any real one: what
// ember does meanwhile anyhow is not in its way.
const bootTime = 100 * time.Millisecond

// startGuest serves the real agent's connections behind the vsock's socket.
func startGuest(initrd, vsock string) error {
	id, err := readIdentity(initrd)
	if err != nil {
		return err
	}
	server, err := agent.New(agent.Config{
		Users: users.DB{Root: "/"}, Table: process.NewTable(false),
		Control: func(stream io.ReadWriter) { answerReady(stream, id.VMID) },
	}, id.Agent.HostKey, id.Agent.AuthorizedKeys)
	if err != nil {
		return err
	}
	listener, err := net.Listen("unix", vsock)
	if err != nil {
		return err
	}
	time.AfterFunc(bootTime, func() {
		fmt.Printf("ember-guest: ready %s\n", id.VMID)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go connect(server, conn)
		}
	})
	return nil
}

// connect does what Firecracker does with "CONNECT port" (its vsock.md).
func connect(server *agent.Server, conn net.Conn) {
	reader := bufio.NewReader(conn)
	if line, err := reader.ReadString('\n'); err != nil || !strings.HasPrefix(line, "CONNECT ") {
		_ = conn.Close() // nobody we know
		return
	}
	if _, err := io.WriteString(conn, "OK 1073741824\n"); err != nil {
		return
	}
	server.ServeConn(buffered{conn, reader})
}

type buffered struct {
	net.Conn
	reader io.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.reader.Read(p) }

// answerReady is all of the control channel that a start asks for. The agent's
// own would set the clock, which is this host's.
func answerReady(stream io.ReadWriter, vmID string) {
	lines := bufio.NewScanner(stream)
	for lines.Scan() {
		var request struct {
			ID json.RawMessage `json:"id"`
		}
		if json.Unmarshal(lines.Bytes(), &request) != nil {
			return
		}
		result := map[string]any{"vmId": vmID, "agentVersion": "instant", "mode": "entrypoint", "bootMs": 1}
		answer, err := json.Marshal(map[string]any{"id": request.ID, "result": result})
		if err != nil {
			return
		}
		_, _ = stream.Write(append(answer, '\n')) // the next line ends the loop if nobody reads
	}
}
