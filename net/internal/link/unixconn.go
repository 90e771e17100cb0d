package link

import (
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// unixStream is a Unix socket that reads into two places with one call.
type unixStream struct {
	*net.UnixConn
	raw syscall.RawConn
}

func newUnixStream(conn *net.UnixConn) (*unixStream, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &unixStream{UnixConn: conn, raw: raw}, nil
}

// ReadVector reads into first, and into second what is left over.
func (s *unixStream) ReadVector(first, second []byte) (int, error) {
	var n int
	var failure error
	err := s.raw.Read(func(fd uintptr) bool {
		for {
			n, failure = unix.Readv(int(fd), [][]byte{first, second})
			if failure != unix.EINTR {
				return failure != unix.EAGAIN
			}
		}
	})
	switch {
	case err != nil:
		return 0, err
	case failure != nil:
		return 0, os.NewSyscallError("readv", failure)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}
