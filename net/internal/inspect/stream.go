package inspect

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// errTooLong: more would have to be held back than is sensible.
var errTooLong = errors.New("longer than any client needs")

// stream is a connection of which bytes can be read ahead and held back until it is known what to do with them.
type stream struct {
	net.Conn
	held []byte
}

// CloseWrite tells the other end that no more comes.
func (s *stream) CloseWrite() error {
	if half, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Reset ends the connection with an RST where it can have one, so that the other end takes nothing for whole.
func (s *stream) Reset() {
	switch conn := s.Conn.(type) {
	case interface{ Reset() }:
		conn.Reset()
		return
	case interface{ SetLinger(seconds int) error }:
		_ = conn.SetLinger(0)
	}
	_ = s.Close()
}

// Read gives what is held first.
func (s *stream) Read(p []byte) (int, error) {
	if len(s.held) == 0 {
		return s.Conn.Read(p)
	}
	n := copy(p, s.held)
	s.held = s.held[n:]
	return n, nil
}

// more reads at least one byte more into held, which will not be longer than limit.
func (s *stream) more(limit int) error {
	room := limit - len(s.held)
	if room <= 0 {
		return errTooLong
	}
	chunk := buffers.Get().(*buffer)
	defer buffers.Put(chunk)
	for {
		n, err := s.Conn.Read(chunk[:min(room, len(chunk))])
		s.held = append(s.held, chunk[:n]...)
		if n > 0 {
			return nil // an error shows again
		}
		if err != nil {
			return err
		}
	}
}

// take passes the first n held bytes to the writer.
func (s *stream) take(to io.Writer, n int) error {
	_, err := to.Write(s.held[:n])
	s.held = s.held[n:]
	if err != nil {
		return writeError{err}
	}
	return nil
}

// within sets when reading fails for lack of bytes; 0 is never.
func (s *stream) within(limit time.Duration) {
	var at time.Time
	if limit > 0 {
		at = time.Now().Add(limit)
	}
	_ = s.SetReadDeadline(at) // a connection without deadlines waits
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

type buffer [64 << 10]byte

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// writeError is one of the side that is written to.
type writeError struct{ error }

// pass copies until the end of from, each read at once; passed is told how many bytes have been written. The end is no error.
func pass(to io.Writer, from io.Reader, passed func(n int)) error {
	chunk := buffers.Get().(*buffer)
	defer buffers.Put(chunk)
	for {
		n, err := from.Read(chunk[:])
		if n > 0 {
			if _, err := to.Write(chunk[:n]); err != nil {
				return writeError{err}
			}
			passed(n)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
