package inspect

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"ember.dev/net/internal/policy"
	"ember.dev/net/internal/record"
)

const (
	// patience is how long clients of protocols in which they speak first are waited for, before the server is connected
	// to and may speak. What the client says is looked at all the same, whenever it comes.
	patience = 300 * time.Millisecond
	// stall is how long a first line that does not go on is held back. Without its end no server acts on it.
	stall = 200 * time.Millisecond
	// silence is how long a client may say nothing where only what it says could allow the connection.
	silence = 30 * time.Second
	// headLimit is how long a ClientHello or a request's head may take from its first byte on.
	headLimit = time.Minute
)

// connection is one connection of a guest while it is inspected. One goroutine reads what the guest says; another passes
// on what the server says, once there is one.
type connection struct {
	ctx         context.Context
	guest       *stream
	destination netip.AddrPort
	vm          *VM
	// deciding: a rule about names may decide. If not, only an interceptor may want the connection.
	deciding bool
	hold     *policy.Hold
	noted    atomic.Bool

	mu      sync.Mutex // for aborting from elsewhere
	server  *stream    // nil while not connected
	aborted bool
	// ended is closed when no more comes from the server; nil while nobody listens. received counts what came.
	ended    chan struct{}
	received atomic.Int64
	// replacing: the end of the server's side is not the end of the connection.
	replacing atomic.Bool
}

// Serve takes over a guest's connection until it has ended. It looks at what the client says first, decides by the name in
// it or else by those that the destination was answered for, and then dials and relays, hands over to the interceptor,
// or refuses: HTTP by a 403 that names the rule, all else by an RST.
func Serve(ctx context.Context, guest GuestConn, destination netip.AddrPort, vm *VM) {
	c := &connection{ctx: ctx, guest: &stream{Conn: guest}, destination: destination, vm: vm}
	c.deciding = vm.Engine.Admit(policy.TCP, destination).Verdict != policy.Allow
	stop := context.AfterFunc(ctx, c.abort)
	defer stop()
	defer c.finish()
	first := c.byAnswer()
	spoken, sent, ok := c.firstWords(first)
	switch {
	case !ok:
	case spoken == speaksTLS:
		c.serveTLS()
	case spoken == speaksHTTP && c.deciding:
		c.serveHTTP(sent)
	default:
		c.serveOther(sent)
	}
	if c.server != nil && !c.noted.Load() {
		c.note(first, policy.Answer) // it never said enough to be told apart
	}
}

// Pass relays a connection that the policy allows by its address, and looks at none of it, until it has ended.
func Pass(ctx context.Context, guest GuestConn, destination netip.AddrPort, vm *VM) {
	c := &connection{ctx: ctx, guest: &stream{Conn: guest}, destination: destination, vm: vm}
	stop := context.AfterFunc(ctx, c.abort)
	defer stop()
	defer c.finish()
	c.serveOther(0)
}

// firstWords reads until it is clear what the client speaks. Where the answers allow the connection, a client that says
// nothing, or not all of a line, gets to hear the server meanwhile; sent is how much of the held bytes the server has.
func (c *connection) firstWords(first policy.Decision) (spoken kind, sent int, ok bool) {
	allowed, wait := first.Verdict == policy.Allow, c.firstWait()
	if allowed && wait == 0 && !c.open(first) {
		return undecided, 0, false
	}
	for {
		if spoken = classify(c.guest.held); spoken != undecided {
			return spoken, sent, true
		}
		switch {
		case !allowed:
			c.guest.within(silence)
		case c.server != nil && sent == len(c.guest.held):
			c.guest.within(0)
		case len(c.guest.held) > 0:
			c.guest.within(stall)
		default:
			c.guest.within(wait)
		}
		switch err := c.guest.more(maxUndecided); {
		case err == nil:
		case isTimeout(err) && allowed:
			if !c.open(first) || c.forward(c.guest.held[sent:]) != nil {
				c.abort()
				return undecided, 0, false
			}
			sent = len(c.guest.held)
		case isTimeout(err) || err == errTooLong:
			c.refuse(first, policy.Answer, "its first line does not end")
			return undecided, 0, false
		default:
			return speaksOther, sent, isEnd(err)
		}
	}
}

// firstWait is 0 where servers may well speak first.
func (c *connection) firstWait() time.Duration {
	switch c.destination.Port() {
	case 80, 443, 8080, 8443:
		return patience
	}
	if c.vm.Interests(c.destination) {
		return patience // most often, the interceptor will connect by itself
	}
	return 0
}

func (c *connection) byAnswer() policy.Decision {
	return c.vm.Engine.AdmitName(policy.Answer, "", c.destination)
}

// serveOther relays what is neither TLS nor HTTP, when the answers allow it.
func (c *connection) serveOther(sent int) {
	decision := c.byAnswer()
	if decision.Verdict != policy.Allow {
		c.refuse(decision, policy.Answer, "")
		return
	}
	if c.connect(decision, policy.Answer) {
		c.guest.held = c.guest.held[sent:]
		c.relay()
	}
}

// note records a decision. by is where its name is from.
func (c *connection) note(decision policy.Decision, by policy.How) {
	c.noted.Store(true)
	address, port := c.destination.Addr().Unmap(), c.destination.Port()
	c.vm.Record.Note(record.FlowOf(policy.TCP, by, decision, address.String(), port))
}

// refuse records the refusal and resets the connection. why is the reason when the decision itself was not to refuse.
func (c *connection) refuse(decision policy.Decision, by policy.How, why string) {
	c.note(refusal(decision, why), by)
	c.abort()
}

func refusal(decision policy.Decision, why string) policy.Decision {
	if decision.Verdict == policy.Refuse {
		return decision
	}
	return policy.Decision{Verdict: policy.Refuse, Name: decision.Name, Reason: why}
}
