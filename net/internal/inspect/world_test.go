package inspect

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ember.dev/net/internal/policy"
	"ember.dev/net/internal/record"
)

// The address that good.example and also.example were answered with; bad.example is refused, unasked.example allowed.
var (
	good = netip.MustParseAddrPort("192.0.2.1:80")
	none = netip.MustParseAddrPort("198.51.100.1:80")
)

func allowing(t testing.TB, patterns ...string) *policy.Engine {
	t.Helper()
	rules := policy.Policy{Default: policy.ActionRefuse}
	for _, pattern := range patterns {
		rules.Rules = append(rules.Rules, policy.Rule{Action: policy.ActionAllow, Host: pattern, Text: "--allow-host " + pattern})
	}
	engine := policy.New(rules)
	for _, name := range []string{"good.example", "also.example", "bad.example"} {
		engine.Answered(name, nil, []netip.Addr{good.Addr()}, time.Hour)
	}
	return engine
}

func standard(t testing.TB) *policy.Engine {
	return allowing(t, "good.example", "also.example", "unasked.example")
}

// notes is a Recorder for tests.
type notes struct {
	mu    sync.Mutex
	flows []string
}

func (n *notes) Note(flow record.Flow) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.flows = append(n.flows, fmt.Sprintf("%s %s %s", flow.Verdict, flow.By, flow.Name))
}

func (n *notes) list() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.flows)
}

// script is a connection whose other end says given pieces, each in one read, and then ends; it never waits.
type script struct {
	net.Conn
	pieces [][]byte
	until  chan struct{} // if not nil: says nothing until it is closed
	said   bytes.Buffer  // what was written to it
	mu     sync.Mutex
	reset  bool
	closed bool
	atEnd  func()
	// serving: agrees to an Upgrade of /ws, and to no other.
	serving bool
}

const (
	switching = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r\n"
	staying   = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
)

func (s *script) Read(p []byte) (int, error) {
	if s.until != nil {
		<-s.until
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.pieces[0])
	if s.pieces[0] = s.pieces[0][n:]; len(s.pieces[0]) == 0 {
		s.pieces = s.pieces[1:]
	}
	return n, nil
}

func (s *script) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	n, err := s.said.Write(p)
	if s.serving && bytes.Contains(bytes.ToLower(s.said.Bytes()), []byte("upgrade:")) && s.pieces == nil {
		s.pieces = [][]byte{[]byte(staying)}
		if bytes.Contains(s.said.Bytes(), []byte("/ws")) {
			s.pieces = cut([]byte(switching), 7)
		}
		s.end()
	}
	return n, err
}

func (s *script) Reset() {
	s.mu.Lock()
	if !s.closed {
		s.reset = true
	}
	s.mu.Unlock()
	_ = s.Close()
}

func (s *script) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.end()
	return nil
}

func (s *script) CloseWrite() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
	return nil
}

func (s *script) end() {
	if s.atEnd != nil {
		s.atEnd()
	}
}

func (s *script) SetReadDeadline(time.Time) error { return nil }

// outcome is all that can be seen of a connection afterwards.
type outcome struct {
	reset    bool
	dialled  string
	toServer string
	toGuest  string
	notes    string
}

// play has a guest say the pieces to a server that answers nothing, and ends when it is told that no more comes.
func play(engine *policy.Engine, destination netip.AddrPort, pieces ...[]byte) outcome {
	guest, recorded := &script{pieces: pieces}, &notes{}
	var dialled []string
	var servers []*script
	vm := &VM{Engine: engine, Record: recorded, Dial: func(_ context.Context, name string, to netip.AddrPort) (net.Conn, error) {
		dialled = append(dialled, name)
		until := make(chan struct{})
		server := &script{serving: true, until: until, atEnd: sync.OnceFunc(func() { close(until) })}
		servers = append(servers, server)
		return server, nil
	}}
	Serve(context.Background(), guest, destination, vm)
	result := outcome{reset: guest.reset, dialled: strings.Join(dialled, " "), toGuest: guest.said.String(), notes: strings.Join(recorded.list(), ", ")}
	for _, server := range servers {
		result.toServer += server.said.String()
	}
	return result
}

// cut makes pieces of the given size, the last perhaps smaller.
func cut(data []byte, size int) [][]byte {
	return slices.Collect(slices.Chunk(bytes.Clone(data), size))
}
