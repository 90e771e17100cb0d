package intercept

import (
	"bufio"
	"bytes"
	"sync"
	"sync/atomic"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// What every HTTP/2 endpoint accepts, and the size of a table that nobody has spoken of.
	frameBytes       = 16 << 10
	headerTableBytes = 4 << 10
)

// frames2 is one direction of an HTTP/2 connection, as seen by the one who writes.
type frames2 struct {
	table atomic.Uint32 // what the peer lets our header table have, in bytes

	mu      sync.Mutex
	w       *bufio.Writer
	framer  *http2.Framer
	block   bytes.Buffer
	encoder *hpack.Encoder
}

func newFrames2(w *bufio.Writer) *frames2 {
	f := &frames2{w: w, framer: http2.NewFramer(w, nil)}
	f.encoder = hpack.NewEncoder(&f.block)
	f.table.Store(headerTableBytes)
	return f
}

// headers writes a header block in as many frames as it takes.
func (f *frames2) headers(stream uint32, end bool, priority http2.PriorityParam, fields []hpack.HeaderField) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.encoder.SetMaxDynamicTableSizeLimit(f.table.Load())
	f.block.Reset()
	for _, field := range fields {
		if err := f.encoder.WriteField(field); err != nil {
			return err
		}
	}
	block := f.block.Bytes()
	// The priority takes five bytes of the first frame.
	first := block[:min(len(block), frameBytes-5)]
	block = block[len(first):]
	err := f.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: stream, BlockFragment: first, EndStream: end, EndHeaders: len(block) == 0, Priority: priority,
	})
	for err == nil && len(block) > 0 {
		next := block[:min(len(block), frameBytes)]
		block = block[len(next):]
		err = f.framer.WriteContinuation(stream, len(block) == 0, next)
	}
	return err
}

// with writes other frames.
func (f *frames2) with(write func(framer *http2.Framer) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return write(f.framer)
}

func (f *frames2) flush() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.w.Flush()
}

// pass copies a frame from r, of which header has been read, as it is. What has been read does not wait for the rest.
func (f *frames2) pass(header http2.FrameHeader, r *bufio.Reader) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	length, stream := header.Length, header.StreamID
	_, _ = f.w.Write([]byte{ // the error stays with w
		byte(length >> 16), byte(length >> 8), byte(length), byte(header.Type), byte(header.Flags),
		byte(stream >> 24), byte(stream >> 16), byte(stream >> 8), byte(stream),
	})
	for left := int(length); left > 0; {
		if r.Buffered() == 0 {
			if err := f.w.Flush(); err != nil {
				return err
			}
		}
		if _, err := r.Peek(1); err != nil {
			return cutOff(err)
		}
		part, _ := r.Peek(min(left, r.Buffered())) // they are there
		if _, err := f.w.Write(part); err != nil {
			return err
		}
		left -= len(part)
		_, _ = r.Discard(len(part)) // likewise
	}
	return nil
}
