package relay

import (
	"context"
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"
)

var errFull = errors.New("the socket has no room")

// socketWriter writes as much as a socket has room for.
type socketWriter struct {
	fd  int
	err error
}

func (w *socketWriter) Write(bytes []byte) (int, error) {
	done := 0
	for done < len(bytes) {
		n, err := unix.Write(w.fd, bytes[done:])
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			w.err = errFull
			return done, errFull
		case err != nil:
			w.err = os.NewSyscallError("write", err)
			return done, w.err
		default:
			done += n
		}
	}
	return done, nil
}

// sendFromStack returns nil once the guest has sent all it will.
func sendFromStack(ctx context.Context, guest Guest, outside syscall.Conn) error {
	raw, err := outside.SyscallConn()
	if err != nil {
		return err
	}
	endpoint, queue := guest.Endpoint()
	entry, readable := waiter.NewChannelEntry(waiter.ReadableEvents)
	queue.EventRegister(&entry)
	defer queue.EventUnregister(&entry)
	for {
		var writer socketWriter
		var failure tcpip.Error
		var count int
		err := raw.Write(func(fd uintptr) bool {
			writer = socketWriter{fd: int(fd)}
			result, err := endpoint.Read(&writer, tcpip.ReadOptions{})
			failure, count = err, result.Count
			return writer.err != errFull || count > 0
		})
		if err != nil {
			return err
		}
		if count > 0 {
			endpoint.ModerateRecvBuf(count)
		}
		switch {
		case writer.err != nil && writer.err != errFull:
			return writer.err
		case count > 0:
			continue
		}
		switch failure.(type) {
		case *tcpip.ErrWouldBlock:
			select {
			case <-readable:
			case <-ctx.Done():
				return ctx.Err()
			}
		case *tcpip.ErrClosedForReceive:
			return nil
		case nil:
		default:
			return errors.New(failure.String())
		}
	}
}
