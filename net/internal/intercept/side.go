package intercept

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// A TLS record holds no more.
	bufferBytes = 16 << 10
	// How long a peer that was told of the end may go on sending: closing at once would take what it has not read yet.
	lingerLimit = 5 * time.Second
)

// side is one end of an intercepted connection: the guest's or the host's.
type side struct {
	tls *tls.Conn
	raw net.Conn // below tls
	r   *bufio.Reader
	w   *bufio.Writer
}

func newSide(conn *tls.Conn, raw net.Conn) *side {
	return &side{tls: conn, raw: raw, r: bufio.NewReaderSize(conn, bufferBytes), w: bufio.NewWriterSize(conn, bufferBytes)}
}

// closeWrite tells the peer that nothing more comes, in TLS and below it. What the peer sends can still be read.
func (s *side) closeWrite() {
	_ = s.w.Flush()        // the peer may be gone
	_ = s.tls.CloseWrite() // likewise
	if half, ok := s.raw.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// drain reads what the peer still sends, for lingerLimit at most.
func (s *side) drain() {
	_ = s.raw.SetReadDeadline(time.Now().Add(lingerLimit))
	_, _ = io.Copy(io.Discard, s.r)
}

func (s *side) close() { _ = s.raw.Close() }

// writeError tells a failed write from a failed read, where one call does both.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }

func isWriteError(err error) bool {
	var failed writeError
	return errors.As(err, &failed)
}

var buffers = sync.Pool{New: func() any { b := make([]byte, bufferBytes); return &b }}

// carry copies src to its end. What has been read is on its way before the next read can block.
func carry(dst io.Writer, flush func() error, src io.Reader) error {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	for {
		n, err := src.Read(*buffer)
		if n > 0 {
			_, failed := dst.Write((*buffer)[:n])
			if failed == nil {
				failed = flush()
			}
			if failed != nil {
				return writeError{failed}
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// relay passes everything both ways as it is, each direction to its own end.
func relay(guest, upstream *side, guestReady, upstreamReady <-chan struct{}) error {
	toGuest := make(chan error, 1)
	go func() {
		<-upstreamReady
		toGuest <- relayOne(guest, upstream)
	}()
	<-guestReady
	err := relayOne(upstream, guest)
	return errors.Join(err, <-toGuest)
}

// relayOne ends both connections when either fails, and one direction when its source ends.
func relayOne(dst, src *side) error {
	err := carry(dst.w, dst.w.Flush, src.r)
	if err != nil {
		dst.close()
		src.close()
		return err
	}
	dst.closeWrite()
	return nil
}
