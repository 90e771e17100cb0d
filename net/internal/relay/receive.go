package relay

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"
)

// socketReader gives length bytes that a socket is known to have.
type socketReader struct {
	fd     int
	length int
	err    error
}

// Len implements tcpip.Payloader.
func (r *socketReader) Len() int { return r.length }

// Read implements tcpip.Payloader.
func (r *socketReader) Read(into []byte) (int, error) {
	if len(into) == 0 {
		return 0, nil
	}
	for {
		n, err := unix.Read(r.fd, into)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			r.err = os.NewSyscallError("read", err)
			return 0, r.err
		case n == 0:
			r.err = io.ErrUnexpectedEOF
			return 0, r.err
		}
		r.length -= n
		return n, nil
	}
}

// receiveIntoStack returns nil once the outside has sent all it will.
func receiveIntoStack(ctx context.Context, guest Guest, outside syscall.Conn, gate Gate) error {
	raw, err := outside.SyscallConn()
	if err != nil {
		return err
	}
	endpoint, queue := guest.Endpoint()
	entry, writable := waiter.NewChannelEntry(waiter.WritableEvents)
	queue.EventRegister(&entry)
	defer queue.EventUnregister(&entry)
	largest := largestWrite(guest.SegmentSize())
	for {
		if err := gate.WaitForRoom(ctx); err != nil {
			return err
		}
		var failure error
		var refused tcpip.Error
		err := raw.Read(func(fd uintptr) bool {
			var length int
			if length, failure = waiting(int(fd)); failure != nil {
				return failure != unix.EAGAIN
			}
			reader := socketReader{fd: int(fd), length: min(length, largest)}
			_, refused = endpoint.Write(&reader, tcpip.WriteOptions{})
			failure = reader.err
			return true
		})
		switch {
		case err != nil:
			return err
		case failure == io.EOF:
			return nil
		case failure != nil:
			return failure
		}
		switch refused.(type) {
		case nil:
		case *tcpip.ErrWouldBlock:
			select {
			case <-writable:
			case <-ctx.Done():
				return ctx.Err()
			}
		default:
			return errors.New(refused.String())
		}
	}
}

// largestWrite is what one pooled chunk of memory holds of whole segments of that size, bytes.
func largestWrite(segment int) int {
	if segment <= 0 || segment > buffer.MaxChunkSize {
		return buffer.MaxChunkSize
	}
	return buffer.MaxChunkSize / segment * segment
}

// waiting says how many bytes a socket has; unix.EAGAIN when none yet, io.EOF when none will come.
func waiting(fd int) (int, error) {
	length, err := unix.IoctlGetInt(fd, inputQueue)
	if err != nil {
		return 0, os.NewSyscallError("ioctl", err)
	}
	if length > 0 {
		return length, nil
	}
	var one [1]byte
	for {
		n, _, err := unix.Recvfrom(fd, one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return 0, unix.EAGAIN
		case err != nil:
			return 0, os.NewSyscallError("recv", err)
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}
