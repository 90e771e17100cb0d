package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"ember.dev/net/internal/fault"
	"ember.dev/net/internal/installation"
)

// longestRequest is a line with a large policy and its secrets, bytes.
const longestRequest = 8 << 20

// Server answers ember on a Unix socket.
type Server struct {
	listener *net.UnixListener
	lock     *os.File
	network  *installation.Installation
	started  time.Time

	mu      sync.Mutex
	clients map[net.Conn]struct{}
}

// ErrBusy: another process serves there.
var ErrBusy = errors.New("another ember-net serves at this socket")

// Listen opens the socket for its owner alone, in place of what a dead process has left there. ErrBusy when one lives.
func Listen(path string, network *installation.Installation) (*Server, error) {
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, ErrBusy
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		lock.Close()
		return nil, err
	}
	before := syscall.Umask(0o177)
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	syscall.Umask(before)
	if err != nil {
		lock.Close()
		return nil, err
	}
	return &Server{
		listener: listener, lock: lock, network: network, started: time.Now().UTC().Truncate(time.Millisecond), clients: map[net.Conn]struct{}{},
	}, nil
}

// Serve returns when ctx ends; there is nothing at the path then.
func (s *Server) Serve(ctx context.Context) {
	stop := context.AfterFunc(ctx, s.close)
	defer stop()
	var clients sync.WaitGroup
	defer clients.Wait()
	for {
		conn, err := s.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			log.Printf("accept a client: %v", err)
			time.Sleep(50 * time.Millisecond)
			continue
		}
		clients.Go(func() { s.serve(ctx, conn) })
	}
}

func (s *Server) close() {
	s.listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.clients {
		conn.Close()
	}
	s.lock.Close()
}

func (s *Server) serve(ctx context.Context, conn *net.UnixConn) {
	defer conn.Close()
	if !s.add(ctx, conn) {
		return
	}
	defer s.remove(conn)
	if err := checkPeer(conn); err != nil {
		log.Printf("a client was refused: %v", err)
		return
	}
	reader := bufio.NewReader(conn)
	for {
		line, err := readLine(reader)
		if errors.Is(err, errTooLong) {
			_ = answer(conn, nil, fault.New(fault.Usage, "a request is longer than %d bytes", longestRequest)) // it is the last
			return
		}
		if err != nil {
			return
		}
		result, err := s.handle(line)
		if answer(conn, result, err) != nil {
			return
		}
	}
}

func (s *Server) add(ctx context.Context, conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[conn] = struct{}{}
	return ctx.Err() == nil
}

func (s *Server) remove(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, conn)
}

var errTooLong = errors.New("the line is too long")

func readLine(reader *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := reader.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > longestRequest:
			return nil, errTooLong
		case err == nil:
			return line, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// answer writes one line: what the operation gives besides "ok", or why it failed.
func answer(w io.Writer, result map[string]any, failure error) error {
	message := map[string]any{"ok": true}
	for name, value := range result {
		message[name] = value
	}
	if failure != nil {
		var known *fault.Fault
		if !errors.As(failure, &known) {
			known = fault.New(fault.Internal, "%s", failure)
		}
		message = map[string]any{"error": known}
	}
	line, err := json.Marshal(message)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}
