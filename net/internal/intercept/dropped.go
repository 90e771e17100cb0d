package intercept

import "sync"

// dropped are the streams of which neither side hears more.
type dropped struct {
	mu      sync.Mutex
	streams map[uint32]bool
	last    uint32 // the last stream that the host has heard of
}

// add fails when there are more than maxDropped.
func (d *dropped) add(stream uint32) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.streams == nil {
		d.streams = map[uint32]bool{}
	}
	d.streams[stream] = true
	if len(d.streams) > maxDropped {
		return malformed("too many requests that do not go on")
	}
	return nil
}

func (d *dropped) has(stream uint32) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.streams[stream]
}

// open notes that the host hears of the stream.
func (d *dropped) open(stream uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = max(d.last, stream)
}

// opened says whether the host can have heard of the stream. To it, one that was left out is closed.
func (d *dropped) opened(stream uint32) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return stream <= d.last
}
