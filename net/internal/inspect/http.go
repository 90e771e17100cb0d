package inspect

import (
	"bytes"
	"errors"
	"io"
	"net/netip"

	"ember.dev/net/internal/policy"
)

var errEnd = errors.New("no more requests")

// exchange is the requests on one connection.
type exchange struct {
	*connection
	// sent is how much of the first request the server has already.
	sent int
	// passed counts the requests that the server has.
	passed int
	// admitted are the hosts that were asked for and allowed. The hold sees to it that they still are.
	admitted map[string]bool
}

// serveHTTP looks at every request: on a connection that is kept open, each may be for another host.
func (c *connection) serveHTTP(sent int) {
	x := &exchange{connection: c, sent: sent, admitted: map[string]bool{}}
	for {
		req, err := x.next()
		var bad malformed
		switch {
		case errors.Is(err, errEnd):
			c.lastWords(nil)
			return
		case errors.As(err, &bad):
			req.unreadable = true
			x.refuse(policy.Decision{Verdict: policy.Refuse, Reason: string(bad)}, policy.Address, &req)
			return
		case err != nil:
			c.abort()
			return
		}
		if !x.admit(&req) {
			return
		}
		if err := x.pass(req); err != nil {
			x.broken(err, &req)
			return
		}
		if req.upgrade && !x.awaitUpgrade() {
			return
		}
	}
}

// next reads a request's head, which is held no more then.
func (x *exchange) next() (request, error) {
	x.guest.within(0)
	if len(x.guest.held) > 0 {
		x.guest.within(headLimit)
	}
	for seen := 0; ; {
		end := headEnd(x.guest.held, seen)
		if end > 0 {
			head := bytes.Clone(x.guest.held[:end])
			x.guest.held = x.guest.held[end:]
			return parseRequest(head)
		}
		seen = len(x.guest.held)
		err := x.guest.more(maxHead)
		switch {
		case errors.Is(err, io.EOF) && len(bytes.Trim(x.guest.held, "\r\n")) == 0:
			return request{}, errEnd
		case errors.Is(err, errTooLong):
			return request{}, malformed("its head is longer than 64 KiB")
		case err != nil:
			return request{}, err
		case seen == 0:
			x.guest.within(headLimit)
		}
	}
}

// admit decides about a request, and has a server for it. False: the request was refused, or the connection is reset.
func (x *exchange) admit(req *request) bool {
	decision, by := policy.Decision{Verdict: policy.Allow, Name: req.host}, policy.Host
	known := x.admitted[req.host]
	if !known {
		decision, by = x.decide(policy.Host, req.host)
	}
	if decision.Verdict == policy.Refuse {
		x.refuse(decision, by, req)
		return false
	}
	if req.upgrade && !x.renew() {
		x.abort()
		return false
	}
	if !known && !x.connection.admit(decision, by) {
		return false
	}
	x.admitted[req.host] = true
	switch {
	case x.server != nil:
		return true
	case req.upgrade:
		return x.dial(decision.Name) // whose first answer is waited for
	}
	return x.dial(decision.Name) && x.pump()
}

// renew ends the present server's side: on a new one, the first answer is the one to this request.
func (x *exchange) renew() bool {
	if x.passed > 0 {
		return x.leave()
	}
	x.sent = 0
	return x.drop()
}

// pass hands a request to the server.
func (x *exchange) pass(req request) error {
	if err := x.forward(req.head[x.sent:]); err != nil {
		return err
	}
	x.sent = 0
	x.guest.within(0)
	if err := x.passBody(req); err != nil {
		return err
	}
	x.passed++
	return nil
}

// broken is for a request that did not pass whole.
func (x *exchange) broken(err error, req *request) {
	var bad malformed
	switch {
	case errors.As(err, &bad):
		req.unreadable, x.sent = true, len(req.head) // the server is not to take what it has for whole
		x.refuse(policy.Decision{Verdict: policy.Refuse, Name: req.host, Reason: string(bad)}, policy.Host, req)
	case errors.As(err, &writeError{}) && x.ended != nil:
		x.lastWords(err) // servers answer before they have read all, too
	default:
		x.abort() // so that the server does not take it for whole
	}
}

// refuse answers a request in HTTP once those before it are answered.
func (x *exchange) refuse(decision policy.Decision, by policy.How, req *request) {
	x.note(decision, by)
	quiet := x.passed == 0 || x.sent > 0
	if quiet && !x.drop() || !quiet && !x.leave() {
		x.abort()
		return
	}
	destination := netip.AddrPortFrom(x.destination.Addr().Unmap(), x.destination.Port())
	if _, err := x.guest.Write(refusalOf(decision, destination, req)); err != nil {
		return
	}
	_ = x.guest.CloseWrite()
	x.discard()
}
