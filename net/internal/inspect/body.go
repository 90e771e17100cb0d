package inspect

import (
	"bytes"
	"io"
	"strconv"
	"strings"
)

const (
	maxChunkLine = 4 << 10
	maxTrailers  = 16 << 10

	errBodyLine = malformed("a line of its body is too long, or does not end with CR LF alone")
)

// passBody passes a request's body on as it comes, and stops where the next request begins.
func (c *connection) passBody(req request) error {
	if !req.chunked {
		return c.passBytes(req.length)
	}
	for {
		line, err := c.line(maxChunkLine)
		if err != nil {
			return err
		}
		size, err := chunkSize(line)
		if err != nil {
			return err
		}
		if err := c.guest.take(c.server, len(line)); err != nil {
			return err
		}
		if size == 0 {
			return c.passTrailers()
		}
		if err := c.passBytes(size); err != nil {
			return err
		}
		end, err := c.line(2)
		if err != nil {
			return err
		}
		if err := c.guest.take(c.server, len(end)); err != nil {
			return err
		}
	}
}

func (c *connection) passBytes(n int64) error {
	if n == 0 {
		return nil
	}
	body := &io.LimitedReader{R: c.guest, N: n}
	if err := pass(c.server, body, func(int) {}); err != nil {
		return err
	}
	if body.N > 0 {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// line is the next one, with its end (CR LF) and still held.
func (c *connection) line(limit int) ([]byte, error) {
	for seen := 0; ; {
		if end := bytes.IndexByte(c.guest.held[seen:], '\n'); end >= 0 {
			line := c.guest.held[:seen+end+1]
			if len(line) > limit || !bytes.HasSuffix(line, []byte("\r\n")) || bytes.IndexByte(line, '\r') != len(line)-2 {
				return nil, errBodyLine
			}
			return line, nil
		}
		seen = len(c.guest.held)
		if seen >= limit {
			return nil, errBodyLine
		}
		if err := c.guest.more(max(limit, seen+1)); err != nil {
			return nil, unexpected(err)
		}
	}
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func chunkSize(line []byte) (int64, error) {
	digits, _, _ := strings.Cut(string(line[:len(line)-2]), ";")
	size, err := strconv.ParseInt(digits, 16, 64)
	if err != nil || strings.Trim(digits, "0123456789abcdefABCDEF") != "" {
		return 0, malformed("a chunk's size is no number")
	}
	return size, nil
}

// passTrailers passes on the headers after a chunked body, which may say nothing about the request.
func (c *connection) passTrailers() error {
	for left := maxTrailers; ; {
		line, err := c.line(left)
		if err != nil {
			return err
		}
		text := string(line[:len(line)-2])
		name, _, ok := strings.Cut(text, ":")
		if text != "" && (!ok || !isToken([]byte(name)) || strings.ContainsRune(text, 0)) {
			return malformed("a trailer is not NAME: VALUE")
		}
		switch strings.ToLower(name) {
		case "host", "content-length", "transfer-encoding", "upgrade", "connection":
			return malformed("a trailer that belongs among the headers")
		}
		left -= len(line)
		if err := c.guest.take(c.server, len(line)); err != nil || text == "" {
			return err
		}
	}
}
