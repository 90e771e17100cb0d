package publish

import (
	"io"
	"net"
	"time"
)

// passBytes copies both ways, and passes each end on by itself: protocols
// exist that answer only after it. The end of what one side says is an empty
// piece, since not every hypervisor closes one direction of vsock alone.
func passBytes(host, service net.Conn) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if !bytesToService(host, service) {
			_ = service.Close() // the other direction ends, too
		}
	}()
	if !bytesToHost(host, service) {
		_ = host.Close()
	}
	<-done
}

// bytesToService returns whether the host has said all that it had to say.
func bytesToService(host, service net.Conn) bool {
	buffer := make([]byte, mostPieceBytes)
	for {
		piece, err := readPiece(host, buffer)
		if err != nil {
			return false
		}
		if len(piece) == 0 {
			if half, ok := service.(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite() // it may be closed already
			}
			return true
		}
		if _, err := service.Write(piece); err != nil {
			return false
		}
	}
}

func bytesToHost(host, service net.Conn) bool {
	buffer := make([]byte, headerBytes+mostPieceBytes)
	for {
		count, err := service.Read(buffer[headerBytes:])
		if err != nil && err != io.EOF {
			return false
		}
		if count > 0 || err == io.EOF {
			if writePiece(host, buffer, count) != nil {
				return false
			}
		}
		if err == io.EOF {
			return count == 0 || writePiece(host, buffer, 0) == nil
		}
	}
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
	buffer := make([]byte, mostPieceBytes)
	for {
		datagram, err := readPiece(host, buffer)
		if err != nil {
			return
		}
		idle.Reset(idleTimeout)
		_, _ = service.Write(datagram) // nobody may listen there now, but later
	}
}

func answers(host, service net.Conn, idle *time.Timer) {
	buffer := make([]byte, headerBytes+mostPieceBytes)
	for {
		count, err := service.Read(buffer[headerBytes:])
		if isRefused(err) {
			continue // as above
		}
		if err != nil {
			return
		}
		idle.Reset(idleTimeout)
		if writePiece(host, buffer, count) != nil {
			return
		}
	}
}
