package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ember.dev/net/internal/relay"
)

const (
	// requestTimeout for the line by which a client says which port it wants.
	requestTimeout = 5 * time.Second
	longestRequest = 32
	// agentPatience with a guest that does not answer yet; the client may give up before.
	agentPatience = time.Minute
	// agentAttempt is short: the first packet to a guest that is still booting is lost, and the next would come late.
	agentAttempt = 100 * time.Millisecond
)

// Agent is the socket that leads to any port of a guest: "CONNECT PORT\n" is answered by "OK n\n", and then by the guest,
// as Firecracker's vsock socket does it.
type Agent struct {
	listener *net.UnixListener
	guest    Guest
	ctx      context.Context
	cancel   context.CancelFunc
}

// ListenAgent listens at path, for its owner alone, in place of what a dead process has left there.
func ListenAgent(path string, guest Guest) (*Agent, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		listener.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	agent := &Agent{listener: listener, guest: guest, ctx: ctx, cancel: cancel}
	go agent.serve()
	return agent, nil
}

// Close ends the connections, too; there is nothing at the path afterwards.
func (a *Agent) Close() error {
	a.cancel()
	return a.listener.Close()
}

func (a *Agent) serve() {
	for {
		conn, err := a.listener.AcceptUnix()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			time.Sleep(acceptPause)
		default:
			go a.lead(conn)
		}
	}
}

// lead closes the connection when the guest cannot be reached, as Firecracker does.
func (a *Agent) lead(conn *net.UnixConn) {
	defer conn.Close()
	stop := context.AfterFunc(a.ctx, func() { conn.Close() })
	defer stop()
	port, err := readRequest(conn)
	if err != nil {
		return
	}
	guest, err := a.dial(conn, port)
	if err != nil {
		return
	}
	if _, err := fmt.Fprintf(conn, "OK %d\n", port); err != nil {
		guest.Reset()
		return
	}
	relay.Run(a.ctx, guest, conn, a.guest.Gate())
}

// dial tries until the guest answers either way, or the client has gone.
func (a *Agent) dial(client *net.UnixConn, port uint16) (relay.Guest, error) {
	for deadline := time.Now().Add(agentPatience); ; {
		ctx, cancel := context.WithTimeout(a.ctx, agentAttempt)
		guest, err := a.guest.Dial(ctx, port)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || time.Now().After(deadline) || hasGone(client) {
			return guest, err
		}
	}
}

// hasGone says whether a client that has only to wait has ended its connection.
func hasGone(client *net.UnixConn) bool {
	raw, err := client.SyscallConn()
	if err != nil {
		return true
	}
	gone := false
	err = raw.Control(func(fd uintptr) {
		var one [1]byte
		n, _, failure := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		gone = failure == nil && n == 0 || failure != nil && failure != syscall.EAGAIN
	})
	return gone || err != nil
}

// readRequest reads no byte beyond the line: what follows is for the guest.
func readRequest(conn *net.UnixConn) (uint16, error) {
	if err := conn.SetReadDeadline(time.Now().Add(requestTimeout)); err != nil {
		return 0, err
	}
	line := make([]byte, 0, longestRequest)
	for len(line) == 0 || line[len(line)-1] != '\n' {
		if len(line) == longestRequest {
			return 0, errors.New("the request is too long")
		}
		if _, err := io.ReadFull(conn, line[len(line):len(line)+1]); err != nil {
			return 0, err
		}
		line = line[:len(line)+1]
	}
	text, ok := strings.CutPrefix(strings.TrimSuffix(string(line), "\n"), "CONNECT ")
	if !ok {
		return 0, errors.New("the request is none to connect")
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return 0, errors.New("the request names no port")
	}
	return uint16(port), conn.SetReadDeadline(time.Time{})
}
