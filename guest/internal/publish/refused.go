package publish

import (
	"errors"

	"golang.org/x/sys/unix"
)

// isRefused tells the answer to an earlier datagram that nobody took from the end of the socket.
func isRefused(err error) bool { return errors.Is(err, unix.ECONNREFUSED) }
