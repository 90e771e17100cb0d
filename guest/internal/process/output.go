package process

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// A grandchild may keep an output open for ever; once the child has ended
	// this much silence is taken for the end.
	drainIdle = 100 * time.Millisecond
	// And a grandchild that never falls silent is cut off after this, but not
	// before everything that the child itself wrote has been passed on.
	drainLimit = time.Second

	copyBytes = 32 << 10
)

// Output carries what a child writes to a destination.
type Output struct {
	src  *os.File
	dst  io.Writer
	done chan struct{}
}

// NewOutput returns a copier and the pipe end for the child, which the caller
// closes once the child has it.
func NewOutput(dst io.Writer) (*Output, *os.File, error) {
	ours, childs, err := pipe(0)
	if err != nil {
		return nil, nil, err
	}
	return CopyFrom(ours, dst), childs, nil
}

// NewInput returns our end and the child's end of a pipe to its standard input.
func NewInput() (ours, childs *os.File, err error) { return pipe(1) }

// pipe makes the end with index ours non-blocking, so that deadlines and Close
// work on it, and leaves the child's end blocking, as programs expect.
func pipe(oursIndex int) (ours, childs *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, err
	}
	if err := unix.SetNonblock(fds[oursIndex], true); err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[oursIndex]), "pipe"), os.NewFile(uintptr(fds[1-oursIndex]), "pipe"), nil
}

// CopyFrom starts copying from a pipe or a terminal, which Finish closes.
func CopyFrom(src *os.File, dst io.Writer) *Output {
	o := &Output{src: src, dst: dst, done: make(chan struct{})}
	go o.run()
	return o
}

// Finish is called when the child has ended: it returns when all of its output has been copied.
func (o *Output) Finish() {
	_ = o.src.SetReadDeadline(time.Unix(1, 0)) // wakes run, which then drains
	<-o.done
	_ = o.src.Close() // read side
}

func (o *Output) run() {
	defer close(o.done)
	buf := make([]byte, copyBytes)
	for {
		_, err := o.step(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			o.drain(buf)
			return
		}
		if err != nil {
			return
		}
	}
}

func (o *Output) drain(buf []byte) {
	pending := o.buffered()
	limit := time.Now().Add(drainLimit)
	for {
		if o.src.SetReadDeadline(time.Now().Add(drainIdle)) != nil {
			return
		}
		n, err := o.step(buf)
		pending -= n
		if err != nil || (pending <= 0 && time.Now().After(limit)) {
			return
		}
	}
}

func (o *Output) step(buf []byte) (int, error) {
	n, err := o.src.Read(buf)
	if n > 0 {
		if _, werr := o.dst.Write(buf[:n]); werr != nil {
			o.dst = io.Discard // the reader has gone; the child must not block on that
		}
	}
	return n, err
}

func (o *Output) buffered() (n int) {
	raw, err := o.src.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) { // closed: nothing is buffered
		n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ)
	})
	return n
}
