package inspect

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"time"

	"ember.dev/net/internal/policy"
)

const (
	// A client that is still sending would see an RST instead of the refusal, were its bytes not read.
	discardLimit = 2 * time.Second
	discardBytes = 1 << 20

	// unreadable stands for the rule where the request, not its host, is why it is refused.
	unreadable = "request that can be read in more than one way"
)

// refusalOf is what the client gets: an answer in HTTP/1.1, or in HTTP/2 to a client that began with that.
func refusalOf(decision policy.Decision, destination netip.AddrPort, req *request) []byte {
	if req.http2 {
		return goAway("ember: HTTP/2 without TLS cannot be looked into; use HTTP/1.1 or TLS")
	}
	rule, host := decision.RuleText(), decision.Name
	if host == "" {
		host = "a server without a name"
	}
	text := fmt.Sprintf("ember: this VM may not reach %s (%s)\nrule: %s\nreason: %s\n", host, destination, rule, decision.Reason)
	if req.unreadable {
		rule = unreadable
		text = fmt.Sprintf("ember: this request is not passed on to %s: %s\n", destination, decision.Reason)
	}
	var answer bytes.Buffer
	fmt.Fprintf(&answer, "HTTP/1.1 403 Forbidden\r\nX-Ember-Refused: %s\r\nContent-Type: text/plain; charset=utf-8\r\n", rule)
	fmt.Fprintf(&answer, "Content-Length: %d\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n", len(text))
	if req.method != "HEAD" {
		answer.WriteString(text)
	}
	return answer.Bytes()
}

// goAway is HTTP/2's first frame (SETTINGS, empty) and its last (GOAWAY, HTTP_1_1_REQUIRED), which has the text.
func goAway(text string) []byte {
	frame := func(to []byte, kind byte, payload []byte) []byte {
		to = append(to, byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), kind, 0, 0, 0, 0, 0)
		return append(to, payload...)
	}
	const settings, goingAway, http11Required = 4, 7, 0xd
	last := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 0}, http11Required)
	return frame(frame(nil, settings, nil), goingAway, append(last, text...))
}

// discard reads what the client still sends, for a while.
func (c *connection) discard() {
	c.guest.within(discardLimit)
	_, _ = io.CopyN(io.Discard, c.guest, discardBytes) // how it ends does not matter
}
