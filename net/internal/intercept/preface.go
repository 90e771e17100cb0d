package intercept

import (
	"bufio"
	"bytes"

	"golang.org/x/net/http2"
)

// preface is what a client's first bytes say about its protocol.
type preface int

const (
	prefaceMore preface = iota // too few bytes to say
	prefaceHTTP1
	prefaceHTTP2
	prefaceOther
)

// No method in use is longer.
const maxMethodBytes = 24

// prefaceOf waits for as many bytes as it takes, and consumes none.
func prefaceOf(r *bufio.Reader) preface {
	for n := 1; ; n++ {
		if _, err := r.Peek(n); err != nil {
			return prefaceOther
		}
		n = max(n, r.Buffered())
		first, _ := r.Peek(n) // they are there
		if found := judge(first); found != prefaceMore {
			return found
		}
	}
}

func judge(first []byte) preface {
	if len(first) < len(http2.ClientPreface) && bytes.HasPrefix([]byte(http2.ClientPreface), first) {
		return prefaceMore
	}
	if bytes.HasPrefix(first, []byte(http2.ClientPreface)) {
		return prefaceHTTP2
	}
	first = bytes.TrimPrefix(first, []byte("\r\n")) // some clients end a body with one too many
	method, target, found := bytes.Cut(first, []byte(" "))
	if len(method) > maxMethodBytes || bytes.ContainsFunc(method, notMethod) || found && len(method) == 0 {
		return prefaceOther
	}
	if !found || len(target) == 0 {
		return prefaceMore
	}
	if target[0] == '/' || target[0] == '*' || string(method) == "CONNECT" {
		return prefaceHTTP1
	}
	for _, scheme := range []string{"http://", "https://"} {
		if bytes.HasPrefix(target, []byte(scheme)) {
			return prefaceHTTP1
		}
		if bytes.HasPrefix([]byte(scheme), target) {
			return prefaceMore
		}
	}
	return prefaceOther
}

func notMethod(r rune) bool { return (r < 'A' || r > 'Z') && r != '-' && r != '_' }

// isSettings says whether a server's first bytes are the frame with which servers of HTTP/2 begin.
func isSettings(first []byte) bool {
	header, err := http2.ReadFrameHeader(bytes.NewReader(first))
	return err == nil && header.Type == http2.FrameSettings && header.Flags == 0 && header.StreamID == 0 && header.Length%6 == 0
}
