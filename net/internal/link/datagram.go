package link

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Datagram is bound at a path; a hypervisor sends frames there, and gets its own at the address it sent from.
type Datagram struct {
	conn           *net.UnixConn
	path           string
	peer           atomic.Pointer[net.UnixAddr]
	received, sent atomic.Uint64
}

// NewDatagram binds at path, in place of what a dead process has left there.
func NewDatagram(path string) (*Datagram, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	err = errors.Join(os.Chmod(path, 0o600), conn.SetReadBuffer(socketBuffer), conn.SetWriteBuffer(socketBuffer))
	if err != nil {
		conn.Close()
		os.Remove(path)
		return nil, fmt.Errorf("prepare the socket %s: %w", path, err)
	}
	return &Datagram{conn: conn, path: path}, nil
}

// Linked implements Link.
func (d *Datagram) Linked() bool { return d.peer.Load() != nil }

// Counters implements Link.
func (d *Datagram) Counters() (received, sent uint64) { return d.received.Load(), d.sent.Load() }

// Run implements Link; there is nothing at the path afterwards.
func (d *Datagram) Run(ctx context.Context, queue *Queue, receive func(*buffer.View)) {
	defer os.Remove(d.path)
	stop := context.AfterFunc(ctx, func() { d.conn.Close() })
	defer stop()
	written := make(chan struct{})
	go func() {
		defer close(written)
		d.write(ctx, queue)
	}()
	scratch := make([]byte, MaxFrame+1)
	for {
		n, from, err := d.conn.ReadFromUnix(scratch)
		if err != nil {
			if ctx.Err() == nil {
				log.Printf("the link %s ended: %v", d.path, err)
			}
			break
		}
		d.adopt(from)
		if n < HeaderLength || n > MaxFrame {
			continue
		}
		d.received.Add(uint64(n))
		receive(buffer.NewViewWithData(append([]byte(nil), scratch[:n]...)))
	}
	<-written
}

// adopt makes the last sender the one who gets frames: a machine that was started anew has another address. One that has
// nothing to send yet greets with what is too short for a frame.
func (d *Datagram) adopt(from *net.UnixAddr) {
	if from == nil || from.Name == "" {
		return
	}
	if peer := d.peer.Load(); peer == nil || peer.Name != from.Name {
		d.peer.Store(from)
	}
}

func (d *Datagram) write(ctx context.Context, queue *Queue) {
	var frames []*stack.PacketBuffer
	frame := make([]byte, 0, MaxFrame)
	for {
		var err error
		if frames, err = queue.take(ctx, frames); err != nil {
			return
		}
		for _, packet := range frames {
			frame = frame[:0]
			for _, slice := range packet.AsSlices() {
				frame = append(frame, slice...)
			}
			d.send(ctx, frame[prefixLength:])
		}
		release(frames)
	}
}

// send waits while the peer's buffer is full, which macOS reports instead of waiting itself.
func (d *Datagram) send(ctx context.Context, frame []byte) {
	for ctx.Err() == nil {
		peer := d.peer.Load()
		if peer == nil {
			return
		}
		_, err := d.conn.WriteToUnix(frame, peer)
		switch {
		case err == nil:
			d.sent.Add(uint64(len(frame)))
			return
		case errors.Is(err, syscall.ENOBUFS):
			time.Sleep(100 * time.Microsecond)
		case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOENT):
			d.peer.CompareAndSwap(peer, nil)
			return
		default: // EMSGSIZE: as on any cable, it is lost
			return
		}
	}
}
