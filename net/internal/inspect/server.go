package inspect

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"ember.dev/net/internal/policy"
)

// drainLimit is how long a server may take to end what it was asked before, once it is told that no more comes.
const drainLimit = 10 * time.Second

// open connects without deciding for good: the client has not said enough.
func (c *connection) open(decision policy.Decision) bool {
	return c.server != nil || c.holds(decision, policy.Answer) && c.dial(decision.Name) && c.pump()
}

// connect has the server's side connected to, what it says passed to the guest, and the connection held and recorded under
// the decision's name. Connected already, only the name is added. False: the connection has been reset.
func (c *connection) connect(decision policy.Decision, by policy.How) bool {
	return c.admit(decision, by) && (c.server != nil || c.dial(decision.Name) && c.pump())
}

// admit holds the connection under what the client said, and records it. False: it has been reset.
func (c *connection) admit(decision policy.Decision, by policy.How) bool {
	if !c.holds(decision, by) {
		return false
	}
	c.note(decision, by)
	return true
}

// holds has another policy close the connection. False: the policy was replaced meanwhile, and the connection is reset.
func (c *connection) holds(decision policy.Decision, by policy.How) bool {
	said := decision.Name
	if by == policy.Answer {
		said = ""
	}
	switch {
	case c.hold == nil:
		c.hold, decision = c.vm.Engine.Hold(policy.TCP, c.destination, said, func(refusal policy.Decision) {
			c.note(refusal, by)
			c.abort()
		})
	case said != "":
		decision = c.hold.Named(said)
	}
	if decision.Verdict == policy.Refuse {
		c.refuse(decision, by, "")
		return false
	}
	return true
}

// dial resets the guest's connection when there is no server to be had, as the server would have.
func (c *connection) dial(name string) bool {
	conn, err := c.vm.Dial(c.ctx, name, c.destination)
	if err != nil {
		c.abort()
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.server, c.ended = &stream{Conn: conn}, nil
	if c.aborted {
		c.server.Reset()
	}
	return !c.aborted
}

// pump begins to pass on what the server says, until it ends. Always true.
func (c *connection) pump() bool {
	server, ended := c.server, make(chan struct{})
	c.ended = ended
	c.replacing.Store(false)
	go func() {
		defer close(ended)
		err := pass(c.guest.Conn, server, func(n int) { c.received.Add(int64(n)) })
		switch {
		case c.replacing.Load():
		case err == nil:
			_ = c.guest.CloseWrite() // when it is closed already, there is nothing to tell
		default:
			c.abort()
		}
	}()
	return true
}

func (c *connection) forward(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	if _, err := c.server.Write(data); err != nil {
		return writeError{err}
	}
	return nil
}

// relay passes on all that the guest says, and ends when both sides have.
func (c *connection) relay() {
	c.guest.within(0)
	c.lastWords(pass(c.server, c.guest, func(int) {}))
}

// lastWords is for when no more comes from the guest, or no more can be written to the server, which may still speak.
func (c *connection) lastWords(err error) {
	var unwritten writeError
	if !isEnd(err) && !errors.As(err, &unwritten) {
		c.abort()
		return
	}
	if c.server != nil {
		_ = c.server.CloseWrite()
		<-c.ended
	}
}

// leave ends the server's side so that all it has to say is passed on, and the guest's side stays. False: it does not end.
func (c *connection) leave() bool {
	if c.server == nil {
		return true
	}
	c.replacing.Store(true)
	_ = c.server.CloseWrite()
	timer := time.NewTimer(drainLimit)
	defer timer.Stop()
	select {
	case <-c.ended:
	case <-timer.C:
		return false
	}
	c.disconnect()
	return true
}

// drop ends the server's side at once. False: the guest has heard something of it already.
func (c *connection) drop() bool {
	c.replacing.Store(true)
	c.disconnect()
	return c.received.Load() == 0
}

func (c *connection) disconnect() {
	if c.server == nil {
		return
	}
	c.server.Reset()
	if c.ended != nil {
		<-c.ended
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.server = nil
}

// abort resets both sides, from whatever goroutine.
func (c *connection) abort() {
	c.guest.Reset()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aborted = true
	if c.server != nil {
		c.server.Reset()
	}
}

// finish leaves nothing open.
func (c *connection) finish() {
	if c.hold != nil {
		c.hold.Release()
	}
	_ = c.guest.Close()
	if c.server != nil {
		_ = c.server.Close()
	}
	if c.server != nil && c.ended != nil {
		<-c.ended
	}
}

func isEnd(err error) bool { return err == nil || errors.Is(err, io.EOF) }

// dialForInterceptor gives the interceptor a connection of its own. A TLS server that spoke before its client is none.
func (c *connection) dialForInterceptor(name string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		if !c.drop() {
			return nil, errors.New("the server spoke before the client")
		}
		return c.vm.Dial(ctx, name, c.destination)
	}
}
