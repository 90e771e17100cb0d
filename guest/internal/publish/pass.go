package publish

import (
	"encoding/binary"
	"io"
	"net"
	"time"
)

const mostDatagramBytes = 65535

// passBytes copies both ways, and passes each end on by itself: protocols
// exist that answer only after it.
func passBytes(host, service net.Conn) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		copyToEnd(service, host)
	}()
	copyToEnd(host, service)
	<-done
}

func copyToEnd(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		_ = half.CloseWrite() // it may be closed already
		return
	}
	_ = to.Close() // so that the other direction ends too
}

// passDatagrams ends when neither side has sent anything for a while, or the host hangs up.
func passDatagrams(host, service net.Conn) {
	idle := time.AfterFunc(idleTimeout, func() {
		_ = host.Close() // ends both loops
	})
	defer idle.Stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		answers(host, service, idle)
		_ = host.Close()
	}()
	questions(host, service, idle)
	_ = service.Close()
	<-done
}

func questions(host, service net.Conn, idle *time.Timer) {
	header := make([]byte, 2)
	buffer := make([]byte, mostDatagramBytes)
	for {
		if _, err := io.ReadFull(host, header); err != nil {
			return
		}
		datagram := buffer[:binary.BigEndian.Uint16(header)]
		if _, err := io.ReadFull(host, datagram); err != nil {
			return
		}
		idle.Reset(idleTimeout)
		_, _ = service.Write(datagram) // nobody may listen there now, but later
	}
}

func answers(host, service net.Conn, idle *time.Timer) {
	buffer := make([]byte, 2+mostDatagramBytes)
	for {
		count, err := service.Read(buffer[2:])
		if isRefused(err) {
			continue // as above
		}
		if err != nil {
			return
		}
		idle.Reset(idleTimeout)
		binary.BigEndian.PutUint16(buffer, uint16(count))
		if _, err := host.Write(buffer[:2+count]); err != nil {
			return
		}
	}
}
