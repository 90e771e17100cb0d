package link

import (
	"context"
	"log"
	"net"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

const (
	firstRetry = 5 * time.Millisecond
	lastRetry  = 250 * time.Millisecond
	// socketBuffer in each direction, bytes: a few of the largest frames.
	socketBuffer = 1 << 20
)

// Link is the cable to one guest's hypervisor.
type Link interface {
	// Run carries frames until ctx ends: those of queue to the guest, those of the guest to receive, which owns them.
	Run(ctx context.Context, queue *Queue, receive func(*buffer.View))
	// Linked says whether a hypervisor is at the other end.
	Linked() bool
	// Counters of bytes, headers included.
	Counters() (received, sent uint64)
}

// Stream connects to where a hypervisor listens, and again whenever it was disconnected.
type Stream struct {
	path           string
	lost           func()
	linked         atomic.Bool
	received, sent atomic.Uint64
}

// NewStream makes the link to the Unix socket at path. lost is called whenever who listened there has gone.
func NewStream(path string, lost func()) *Stream { return &Stream{path: path, lost: lost} }

// Linked implements Link.
func (s *Stream) Linked() bool { return s.linked.Load() }

// Counters implements Link.
func (s *Stream) Counters() (received, sent uint64) { return s.received.Load(), s.sent.Load() }

// Run implements Link.
func (s *Stream) Run(ctx context.Context, queue *Queue, receive func(*buffer.View)) {
	retry := firstRetry
	for ctx.Err() == nil {
		conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: s.path, Net: "unix"})
		if err == nil {
			retry = firstRetry
			err = s.Carry(ctx, conn, queue, receive)
			if ctx.Err() == nil {
				log.Printf("the link %s ended: %v", s.path, err)
				s.lost()
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
		retry = min(retry*2, lastRetry)
	}
}

// Carry carries frames over one connection, which it closes; it returns when either direction has ended.
func (s *Stream) Carry(ctx context.Context, conn *net.UnixConn, queue *Queue, receive func(*buffer.View)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer conn.Close()
	for _, set := range []func(int) error{conn.SetReadBuffer, conn.SetWriteBuffer} {
		if err := set(socketBuffer); err != nil {
			return err
		}
	}
	stream, err := newUnixStream(conn)
	if err != nil {
		return err
	}
	queue.Discard() // what was meant for another connection is old
	s.linked.Store(true)
	defer s.linked.Store(false)
	written := make(chan struct{})
	go func() {
		defer close(written)
		defer cancel()
		s.write(ctx, conn, queue)
	}()
	err = s.read(stream, receive)
	cancel()
	<-written
	queue.Discard()
	return err
}

func (s *Stream) read(stream *unixStream, receive func(*buffer.View)) error {
	reader := NewStreamReader(stream)
	for {
		frame, err := reader.Next()
		if err != nil {
			return err
		}
		s.received.Add(uint64(frame.Size()))
		receive(frame)
	}
}

// write sends as many frames with one call as wait at the time.
func (s *Stream) write(ctx context.Context, conn *net.UnixConn, queue *Queue) {
	var frames []*stack.PacketBuffer
	var slices net.Buffers
	for {
		var err error
		if frames, err = queue.take(ctx, frames); err != nil {
			return
		}
		slices = slices[:0]
		for _, frame := range frames {
			slices = append(slices, frame.AsSlices()...)
		}
		left := slices // WriteTo moves it forward
		n, err := left.WriteTo(conn)
		s.sent.Add(uint64(n))
		release(frames)
		clear(slices)
		if err != nil {
			return
		}
	}
}
