package names

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"time"

	"github.com/miekg/dns"
)

// streamIdle ends a connection on which no question comes.
const streamIdle = 20 * time.Second

// ServeStream answers questions on a connection, one after the other, until the guest ends it or is silent.
func (r *Resolver) ServeStream(ctx context.Context, conn net.Conn, asker Asker) {
	serveStream(conn, func(message []byte) []byte { return r.Answer(ctx, message, dns.MaxMsgSize, asker) })
}

func serveStream(conn net.Conn, answerTo func([]byte) []byte) {
	var length [2]byte
	for conn.SetDeadline(time.Now().Add(streamIdle)) == nil {
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return
		}
		message := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(conn, message); err != nil {
			return
		}
		answer := answerTo(message)
		if answer == nil || conn.SetDeadline(time.Now().Add(streamIdle)) != nil {
			return
		}
		framed := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(answer)), uint16(len(answer)))
		if _, err := conn.Write(append(framed, answer...)); err != nil {
			return
		}
	}
}
