// Package agent is the SSH server through which the host uses a guest. It runs
// inside process 1 or beside the image's init, and equally well in a test.
package agent

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"ember.dev/guest/internal/process"
	"ember.dev/guest/internal/users"
)

const (
	// Generous, since guests may run under software emulation.
	handshakeLimit = 60 * time.Second
	acceptPause    = 50 * time.Millisecond
)

// Config is what a server needs from its surroundings.
type Config struct {
	Users       users.DB
	Table       *process.Table
	Env         []string // the image's and VM's variables
	Workdir     string   // default of direct execs
	SessionUser string   // default of direct execs by root
	// Control serves the control subsystem on a channel.
	Control func(io.ReadWriter)
	// Background receives the output of detached commands.
	Background func() (stdout, stderr Flusher)
	// SelfExe starts this same program again, as the sftp server of another user.
	SelfExe string
}

// Flusher is a line writer whose last line may lack its end.
type Flusher interface {
	io.Writer
	Flush()
}

// Server accepts SSH connections. Credentials can be replaced while it runs.
type Server struct {
	Config
	ssh atomic.Pointer[ssh.ServerConfig]
}

// New checks the credentials and returns a server that listens nowhere yet.
func New(config Config, hostKey string, authorizedKeys []string) (*Server, error) {
	s := &Server{Config: config}
	return s, s.SetCredentials(hostKey, authorizedKeys)
}

// Serve accepts connections until the listener is closed. A guest that is
// short of memory or descriptors must be reachable again once that has passed.
func (s *Server) Serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(acceptPause)
			continue
		}
		go s.ServeConn(conn)
	}
}

// ServeConn runs one connection to its end.
func (s *Server) ServeConn(conn net.Conn) {
	defer conn.Close() //nolint:errcheck // the peer may have closed it first
	_ = conn.SetDeadline(time.Now().Add(handshakeLimit))
	sshConn, channels, requests, err := ssh.NewServerConn(conn, s.ssh.Load())
	if err != nil {
		return // port scans and wrong keys are not worth a console line each
	}
	_ = conn.SetDeadline(time.Time{})
	login, ok := loginOf(sshConn.Permissions)
	if !ok {
		return
	}
	go ssh.DiscardRequests(requests) // a keepalive is answered by refusing it
	for channel := range channels {
		go s.serveChannel(login, channel)
	}
}

func (s *Server) serveChannel(login users.User, channel ssh.NewChannel) {
	switch channel.ChannelType() {
	case "session":
		s.serveSession(login, channel)
	case "direct-tcpip":
		forwardTCP(channel)
	case "direct-streamlocal@openssh.com":
		forwardUnix(login, channel)
	default:
		_ = channel.Reject(ssh.UnknownChannelType, "ember-guest does not know this channel type")
	}
}
