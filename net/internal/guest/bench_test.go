package guest

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// BenchmarkThroughput moves 1 MiB per round and stream; the guest is a stack like ours, in this process, and takes its part
// of the time.
func BenchmarkThroughput(b *testing.B) {
	const chunk = 1 << 20
	for _, streams := range []int{1, 32} {
		for _, direction := range []string{"out", "in"} {
			b.Run(fmt.Sprintf("%s/%d", direction, streams), func(b *testing.B) {
				_, machine := start(b, newWorld(nil), settingsFor(b, 1))
				machine.Seen = nil
				port := listenOutside(b, func(conn *net.TCPConn) {
					defer conn.Close()
					if direction == "out" {
						_, _ = io.Copy(io.Discard, conn)
						_, _ = conn.Write([]byte{1})
						return
					}
					_, _ = io.CopyN(conn, zeros{}, int64(b.N)*chunk)
				})
				b.SetBytes(chunk * int64(streams))
				b.ResetTimer()
				var all sync.WaitGroup
				for range streams {
					conn, err := dialFrom(b, machine, outside, port)
					if err != nil {
						b.Fatal(err)
					}
					if err := conn.SetDeadline(time.Now().Add(time.Hour)); err != nil {
						b.Fatal(err)
					}
					all.Go(func() { move(b, conn, direction, int64(b.N)*chunk) })
				}
				all.Wait()
			})
		}
	}
}

func move(b *testing.B, conn net.Conn, direction string, length int64) {
	var err error
	if direction == "in" {
		_, err = io.CopyN(io.Discard, conn, length)
	} else if _, err = io.CopyN(conn, zeros{}, length); err == nil {
		err = conn.(interface{ CloseWrite() error }).CloseWrite()
		_, _ = conn.Read(make([]byte, 1))
	}
	if err != nil {
		b.Error(err)
	}
}

type zeros struct{}

func (zeros) Read(into []byte) (int, error) { return len(into), nil }
