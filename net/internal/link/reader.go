package link

import (
	"encoding/binary"
	"io"

	"gvisor.dev/gvisor/pkg/buffer"
)

// scratchLength holds several small frames, so that one call reads them all, bytes.
const scratchLength = 64 << 10

// vectorReader reads into the first slice, and what is left over into the second.
type vectorReader interface {
	ReadVector(first, second []byte) (int, error)
}

// StreamReader splits a stream into frames. A large frame is read where it stays; only small ones are copied.
type StreamReader struct {
	source  io.Reader
	vector  vectorReader // nil when source cannot
	scratch []byte
	unread  []byte // of scratch
	// Runts counts frames that were too short for an Ethernet header; they are skipped.
	Runts uint64
}

// NewStreamReader reads from source, with one call per frame if it has ReadVector.
func NewStreamReader(source io.Reader) *StreamReader {
	vector, _ := source.(vectorReader)
	return &StreamReader{source: source, vector: vector, scratch: make([]byte, scratchLength)}
}

// Next waits for a frame, which the caller owns. It returns io.EOF between two frames, io.ErrUnexpectedEOF within one,
// ErrFraming when the peer says a length above MaxFrame.
func (r *StreamReader) Next() (*buffer.View, error) {
	for {
		if err := r.fill(prefixLength); err != nil {
			return nil, err
		}
		length := binary.BigEndian.Uint32(r.unread)
		if length > MaxFrame {
			return nil, ErrFraming
		}
		r.unread = r.unread[prefixLength:]
		view := buffer.NewViewSize(int(length))
		if err := r.read(view.AsSlice()); err != nil {
			view.Release()
			return nil, err
		}
		if length >= HeaderLength {
			return view, nil
		}
		r.Runts++
		view.Release()
	}
}

// fill makes at least count bytes unread.
func (r *StreamReader) fill(count int) error {
	if len(r.unread) >= count {
		return nil
	}
	kept := copy(r.scratch, r.unread)
	n, err := io.ReadAtLeast(r.source, r.scratch[kept:], count-kept)
	r.unread = r.scratch[:kept+n]
	if err == io.EOF && kept > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

// read fills frame, first with what is unread, then straight from the source.
func (r *StreamReader) read(frame []byte) error {
	n := copy(frame, r.unread)
	r.unread = r.unread[n:]
	frame = frame[n:]
	for len(frame) > 0 {
		n, err := r.readBeyond(frame)
		if n > len(frame) {
			r.unread = r.scratch[:n-len(frame)]
			n = len(frame)
		}
		frame = frame[n:]
		if err != nil && len(frame) > 0 {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// readBeyond may read what comes after frame, too, into scratch, of which nothing is unread.
func (r *StreamReader) readBeyond(frame []byte) (int, error) {
	if r.vector != nil {
		return r.vector.ReadVector(frame, r.scratch)
	}
	return r.source.Read(frame)
}
