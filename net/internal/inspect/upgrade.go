package inspect

import (
	"bytes"
	"errors"
	"time"
)

// upgradeLimit is how long a server may take to say whether it speaks something else from now on.
const upgradeLimit = 2 * time.Minute

// awaitUpgrade passes the server's answer on before anything more of the guest's: only then it is known whether what
// follows are requests, each of them to be looked at, or something else. True: more requests.
func (x *exchange) awaitUpgrade() bool {
	x.server.within(upgradeLimit)
	for {
		end := 0
		for seen := 0; end == 0; {
			if end = headEnd(x.server.held, seen); end > 0 {
				break
			}
			seen = len(x.server.held)
			if err := x.server.more(maxHead); err != nil {
				x.noAnswer(err)
				return false
			}
		}
		status := statusOf(x.server.held[:end])
		if status == 0 {
			x.abort()
			return false
		}
		x.received.Add(int64(end))
		if err := x.server.take(x.guest.Conn, end); err != nil {
			x.abort()
			return false
		}
		if status >= 200 || status == 101 {
			x.server.within(0)
			x.pump()
			if status == 101 {
				x.relay()
			}
			return status != 101
		}
	}
}

// noAnswer is for a server that says nothing, or no answer, before it ends.
func (x *exchange) noAnswer(err error) {
	if !isEnd(err) || errors.Is(err, errTooLong) {
		x.abort()
		return
	}
	x.pump() // which passes on what is held, and the end
	x.lastWords(nil)
}

// statusOf an answer's head; 0 when it is none. Interim answers are below 200.
func statusOf(head []byte) (status int) {
	version, rest, _ := bytes.Cut(bytes.TrimLeft(head, "\r\n"), []byte(" "))
	if !bytes.HasPrefix(version, []byte("HTTP/1.")) || len(rest) < 4 || !bytes.ContainsRune([]byte(" \r\n"), rune(rest[3])) {
		return 0
	}
	for _, digit := range rest[:3] {
		if digit < '0' || digit > '9' {
			return 0
		}
		status = status*10 + int(digit-'0')
	}
	if status < 100 {
		return 0
	}
	return status
}
