package agent

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"ember.dev/guest/internal/process"
	"ember.dev/guest/internal/users"
)

// hangupGrace is how long a command may clean up after its client has gone.
const hangupGrace = 5 * time.Second

// session is one SSH session channel: settings, then at most one command.
type session struct {
	*Server
	login users.User
	ch    ssh.Channel
	env   []string
	pty   *terminal
	used  bool // a command, shell or subsystem was requested

	mu      sync.Mutex
	proc    *process.Process // nil until started
	signals []syscall.Signal // asked for before that
	gone    bool             // the client closed the channel
}

func (s *Server) serveSession(login users.User, channel ssh.NewChannel) {
	ch, requests, err := channel.Accept()
	if err != nil {
		return
	}
	sess := &session{Server: s, login: login, ch: ch}
	for request := range requests {
		sess.handle(request)
	}
	sess.clientGone()
}

// handle answers before it acts: a command that ends at once must not close
// the channel before the client knows that it was accepted.
func (s *session) handle(request *ssh.Request) {
	accepted, act := s.dispatch(request.Type, request.Payload)
	if request.WantReply {
		_ = request.Reply(accepted, nil) // a broken connection ends the loop anyway
	}
	if act != nil {
		go act()
	}
}

func (s *session) dispatch(kind string, payload []byte) (bool, func()) {
	switch kind {
	case "env":
		return s.addEnv(payload), nil
	case "pty-req":
		return s.openPTY(payload), nil
	case "window-change":
		return s.pty != nil && s.pty.resize(payload), nil
	case "signal":
		return s.sendSignal(payload), nil
	case "shell", "exec", "subsystem":
		if s.used {
			return false, nil // one per channel, says RFC 4254
		}
		act := s.command(kind, payload)
		s.used = act != nil
		return s.used, act
	}
	return false, nil
}

// command returns what runs the request, or nil when there is no such thing.
func (s *session) command(kind string, payload []byte) func() {
	if kind == "shell" {
		return func() { s.runShell("") }
	}
	var request struct{ Text string }
	if ssh.Unmarshal(payload, &request) != nil {
		return nil
	}
	switch {
	case kind == "exec" && len(request.Text) > 0 && request.Text[0] == 0:
		return func() { s.runDirect([]byte(request.Text[1:])) }
	case kind == "exec":
		return func() { s.runShell(request.Text) }
	case request.Text == "sftp":
		return s.runSFTP
	case request.Text == "ember-control" && s.login.UID == 0 && s.Control != nil:
		return func() {
			s.Control(s.ch)
			s.exit(0)
		}
	}
	return nil
}

func (s *session) addEnv(payload []byte) bool {
	var request struct{ Name, Value string }
	if ssh.Unmarshal(payload, &request) != nil || !validEnv(request.Name, request.Value) {
		return false
	}
	s.env = append(s.env, request.Name+"="+request.Value)
	return true
}

func (s *session) sendSignal(payload []byte) bool {
	var request struct{ Name string }
	if ssh.Unmarshal(payload, &request) != nil {
		return false
	}
	sig, err := process.ParseSignal(request.Name)
	if err != nil || !s.used {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		s.signals = append(s.signals, sig)
	} else {
		s.proc.SignalGroup(sig)
	}
	return true
}

// clientGone ends a command whose client closed the channel. After a normal
// end there is nothing to do: what the command left running goes on.
func (s *session) clientGone() {
	s.mu.Lock()
	s.gone = true
	proc := s.proc
	s.mu.Unlock()
	if proc != nil {
		proc.Hangup(hangupGrace)
	}
	if !s.used {
		s.pty.close()
	}
}

// started remembers the command for signals, and ends it if the client left meanwhile.
func (s *session) started(proc *process.Process) {
	s.mu.Lock()
	s.proc = proc
	for _, sig := range s.signals {
		proc.SignalGroup(sig)
	}
	gone := s.gone
	s.mu.Unlock()
	if gone {
		go proc.Hangup(hangupGrace)
	}
}

// exit reports the status and closes the channel. The status goes before the end
// of the output: some clients close the channel when they see that end.
func (s *session) exit(status int) {
	_, _ = s.ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(status)}))
	_ = s.ch.CloseWrite()
	_ = s.ch.Close() // the client may have closed it first
}

// fail tells the user why nothing ran.
func (s *session) fail(status int, err error) {
	s.pty.close()
	eol := "\n"
	if s.pty != nil {
		eol = "\r\n"
	}
	_, _ = fmt.Fprintf(s.ch.Stderr(), "ember-guest: %v%s", err, eol)
	s.exit(status)
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close() // our copies of what a child has
		}
	}
}
