package link

import (
	"context"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

const (
	// congestedBytes waiting for the hypervisor make those who have more wait.
	congestedBytes = 1 << 20
	// fullBytes waiting drop what comes: those who cannot wait have filled it.
	fullBytes = 16 << 20
)

// Queue holds frames on their way to the hypervisor, so that nobody who makes one waits for its socket.
type Queue struct {
	mu      sync.Mutex
	frames  []*stack.PacketBuffer
	bytes   int
	filled  chan struct{} // has room for one
	drained chan struct{} // closed when there is room again; nil when nobody waits
	dropped uint64
}

// NewQueue makes an empty queue.
func NewQueue() *Queue { return &Queue{filled: make(chan struct{}, 1)} }

// Push takes a reference to a frame, or drops it when the queue is full, and says which.
func (q *Queue) Push(frame *stack.PacketBuffer) bool {
	size := frame.Size()
	q.mu.Lock()
	if q.bytes+size > fullBytes {
		q.dropped++
		q.mu.Unlock()
		return false
	}
	q.frames = append(q.frames, frame.IncRef())
	q.bytes += size
	first := len(q.frames) == 1
	q.mu.Unlock()
	if first {
		select {
		case q.filled <- struct{}{}:
		default:
		}
	}
	return true
}

// take moves all frames to into, which is emptied first; the caller has their references. It waits for one.
func (q *Queue) take(ctx context.Context, into []*stack.PacketBuffer) ([]*stack.PacketBuffer, error) {
	for {
		q.mu.Lock()
		if len(q.frames) > 0 {
			taken := q.frames
			q.frames = into[:0]
			q.bytes = 0
			q.wakeWaiters()
			q.mu.Unlock()
			return taken, nil
		}
		q.mu.Unlock()
		select {
		case <-q.filled:
		case <-ctx.Done():
			return into[:0], ctx.Err()
		}
	}
}

// WaitForRoom returns once the queue is not congested, or ctx ends.
func (q *Queue) WaitForRoom(ctx context.Context) error {
	for {
		q.mu.Lock()
		if q.bytes < congestedBytes {
			q.mu.Unlock()
			return nil
		}
		if q.drained == nil {
			q.drained = make(chan struct{})
		}
		drained := q.drained
		q.mu.Unlock()
		select {
		case <-drained:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Discard drops what waits: there is nobody to send it to.
func (q *Queue) Discard() {
	q.mu.Lock()
	frames := q.frames
	q.frames = nil
	q.bytes = 0
	q.wakeWaiters()
	q.mu.Unlock()
	release(frames)
}

// wakeWaiters is called with mu held.
func (q *Queue) wakeWaiters() {
	if q.drained != nil {
		close(q.drained)
		q.drained = nil
	}
}

func release(frames []*stack.PacketBuffer) {
	for i, frame := range frames {
		frame.DecRef()
		frames[i] = nil
	}
}
