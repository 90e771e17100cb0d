package intercept

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// Generous: guests may run under software emulation, and hosts may be far away.
const handshakeLimit = 60 * time.Second

// Serve takes over a guest's connection, whose ClientHello for name is still unread, and owns it until it returns. dial
// connects to where the guest wanted to go, by the contract and the policy. The end of ctx ends both connections. The
// error is for records: it has neither values nor what was sent in it.
func (i *Interceptor) Serve(ctx context.Context, guest net.Conn, name string, dial func(ctx context.Context) (net.Conn, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !i.begin() {
		_ = guest.Close() // it may have closed it first
		return context.Canceled
	}
	defer i.serving.Done()
	closed := context.AfterFunc(i.ended, cancel)
	defer closed()
	closeGuest := context.AfterFunc(ctx, func() { _ = guest.Close() })
	defer closeGuest()
	defer guest.Close() //nolint:errcheck // the guest may have closed it first

	c := &connection{Interceptor: i, name: canonical(name), dial: dial}
	if !validName(c.name) {
		return fmt.Errorf("%q is no host name", name)
	}
	defer c.closeUpstream()
	downstream, err := c.handshake(ctx, guest)
	if err != nil {
		return fmt.Errorf("TLS with the guest for %s: %w", c.name, errors.Join(err, c.failure))
	}
	here := newSide(downstream, guest)
	if c.failure != nil {
		c.tellFailure(here, downstream.ConnectionState().NegotiatedProtocol)
		return c.failure
	}
	closeUpstream := context.AfterFunc(ctx, c.closeUpstream)
	defer closeUpstream()
	err = c.follow(here, newSide(c.upstream, c.below))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// connection is one of a guest's connections to a host that secrets are for.
type connection struct {
	*Interceptor
	name     string
	dial     func(ctx context.Context) (net.Conn, error)
	upstream *tls.Conn
	below    net.Conn // what upstream is on
	failure  error    // why there is no upstream
}

// handshake ends the guest's TLS. The host is asked first, so that the guest is answered with the protocol that the
// host has chosen.
func (c *connection) handshake(ctx context.Context, guest net.Conn) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeLimit)
	defer cancel()
	downstream := tls.Server(guest, &tls.Config{
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) { return c.answer(ctx, hello) },
	})
	return downstream, downstream.HandshakeContext(ctx)
}

func (c *connection) answer(ctx context.Context, hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if canonical(hello.ServerName) != c.name {
		return nil, errors.New("the ClientHello names another host")
	}
	leaf, err := c.mint.leaf(c.name, time.Now())
	if err != nil {
		return nil, err
	}
	config := &tls.Config{Certificates: []tls.Certificate{*leaf}, SessionTicketsDisabled: true}
	protocol, err := c.connect(ctx, hello.SupportedProtos)
	if err != nil {
		c.failure = err
		var tellable bool
		if protocol, tellable = failureProtocol(hello.SupportedProtos); !tellable {
			return nil, err // becomes a TLS alert
		}
	}
	if protocol != "" {
		config.NextProtos = []string{protocol}
	}
	return config, nil
}

// connect offers the host what the guest offers, and returns what the host chose.
func (c *connection) connect(ctx context.Context, protocols []string) (string, error) {
	below, err := c.dial(ctx)
	if err != nil {
		return "", fmt.Errorf("connect to %s: %w", c.name, err)
	}
	c.below = below
	c.upstream = tls.Client(below, &tls.Config{ServerName: c.name, NextProtos: protocols, RootCAs: c.roots})
	if err := c.upstream.HandshakeContext(ctx); err != nil {
		c.closeUpstream()
		return "", fmt.Errorf("TLS with %s: %w", c.name, err)
	}
	return c.upstream.ConnectionState().NegotiatedProtocol, nil
}

func (c *connection) closeUpstream() {
	if c.below != nil {
		_ = c.below.Close() // closed before: fine
	}
}

// follow serves the connection by what the guest says first.
func (c *connection) follow(guest, upstream *side) error {
	switch c.upstream.ConnectionState().NegotiatedProtocol {
	case "", "http/1.1", "http/1.0", "h2":
	default:
		return relay(guest, upstream, ready(), ready())
	}
	spoken := make(chan preface, 1)
	guestReady := make(chan struct{})
	go func() {
		spoken <- prefaceOf(guest.r)
		close(guestReady)
	}()
	upstreamReady, greeted := make(chan struct{}), make(chan struct{})
	go func() {
		_, _ = upstream.r.Peek(1) // an error comes again
		if greeting, _ := upstream.r.Peek(upstream.r.Buffered()); !isSettings(greeting) {
			close(greeted)
		}
		close(upstreamReady)
	}()
	first := prefaceOther
	select {
	case first = <-spoken:
	case <-greeted: // no server of HTTP speaks first, but for the settings of HTTP/2
	}
	secrets := newSubstitution(c.secretsFor(c.name))
	switch first {
	case prefaceHTTP1:
		return newFilter1(c.name, secrets, guest, upstream).run(upstreamReady)
	case prefaceHTTP2:
		return newFilter2(c.name, secrets, guest, upstream).run(upstreamReady)
	default:
		return relay(guest, upstream, guestReady, upstreamReady)
	}
}

func ready() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}
