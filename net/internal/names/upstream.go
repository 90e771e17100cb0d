package names

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	// attemptTimeout for one resolver; there are two rounds through all.
	attemptTimeout = 2 * time.Second
	rounds         = 2
)

// HostUpstream asks the resolvers that the host uses at the time. They may be on its loopback: it is ember-net that
// asks them, and guests cannot reach them otherwise.
type HostUpstream struct {
	servers func() ([]string, error)
}

// NewHostUpstream reads the resolvers from the file at path when it has changed.
func NewHostUpstream(path string) *HostUpstream {
	return &HostUpstream{servers: (&resolvConf{path: path}).servers}
}

// Ask implements Upstream: the first answer that is neither a refusal nor a failure, else the last of those.
func (h *HostUpstream) Ask(ctx context.Context, question *dns.Msg) (*dns.Msg, error) {
	servers, err := h.servers()
	if err != nil {
		return nil, err
	}
	var poor *dns.Msg
	failure := errors.New("the host has no resolver")
	for round := 0; round < rounds; round++ {
		for _, server := range servers {
			answer, err := exchange(ctx, server, question)
			switch {
			case ctx.Err() != nil:
				return nil, ctx.Err()
			case err != nil:
				failure = err
			case answer.Rcode == dns.RcodeServerFailure || answer.Rcode == dns.RcodeRefused:
				poor = answer
			default:
				return answer, nil
			}
		}
		if poor != nil {
			return poor, nil
		}
	}
	return nil, failure
}

// exchange asks one resolver, by TCP when its answer is too long for a datagram.
func exchange(ctx context.Context, server string, question *dns.Msg) (*dns.Msg, error) {
	answer, err := exchangeBy(ctx, "udp", server, question)
	if err == nil && answer.Truncated {
		return exchangeBy(ctx, "tcp", server, question)
	}
	return answer, err
}

// exchangeBy uses a socket of its own, whose port the system chooses at random, and an id of its own.
func exchangeBy(ctx context.Context, network, server string, question *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	socket, err := (&net.Dialer{}).DialContext(ctx, network, server)
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	deadline, _ := ctx.Deadline()
	if err := socket.SetDeadline(deadline); err != nil {
		return nil, err
	}
	asked := question.Copy()
	asked.Id = dns.Id()
	conn := &dns.Conn{Conn: socket, UDPSize: dns.MaxMsgSize}
	if err := conn.WriteMsg(asked); err != nil {
		return nil, err
	}
	for {
		answer, err := conn.ReadMsg()
		if err == nil && isOf(answer, asked) {
			return answer, nil
		}
		if err != nil && (network == "tcp" || isNetError(err)) {
			return nil, fmt.Errorf("ask %s: %w", server, err)
		}
		// A datagram that is no answer to this question may come from anybody: the real one may still come.
		if network == "tcp" {
			return nil, fmt.Errorf("ask %s: the answer is to another question", server)
		}
	}
}

func isNetError(err error) bool {
	var netError net.Error
	return errors.As(err, &netError) || errors.Is(err, net.ErrClosed)
}

func isOf(answer, asked *dns.Msg) bool {
	if !answer.Response || answer.Id != asked.Id || len(answer.Question) != 1 {
		return false
	}
	a, b := answer.Question[0], asked.Question[0]
	return strings.EqualFold(a.Name, b.Name) && a.Qtype == b.Qtype && a.Qclass == b.Qclass
}
