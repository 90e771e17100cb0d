package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// The first byte of a connection says what the far end does on it.
const (
	doSink   = 'S' // takes bytes up to the end, then tells how many came: eight bytes
	doSource = 'R' // four more bytes, milliseconds: sends for so long
	doEcho   = 'E' // sends back what comes
	doGreet  = 'G' // sends one byte and closes, so that no port of the asker's side waits in vain
)

const chunkBytes = 256 << 10

// serve is the far end, for ever. It says "ready" once it listens.
func serve(address string) error {
	listener, err := net.Listen("tcp4", address)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer connection.Close()
			_ = answer(connection) // the asker ended it, and says what went wrong
		}()
	}
}

func answer(connection net.Conn) error {
	var first [1]byte
	if _, err := io.ReadFull(connection, first[:]); err != nil {
		return err
	}
	switch first[0] {
	case doSink:
		return sink(connection)
	case doSource:
		return source(connection)
	case doEcho:
		buffer := make([]byte, 4096) // small: a thousand of these are open at once
		for {
			n, err := connection.Read(buffer)
			if err != nil {
				return err
			}
			if _, err := connection.Write(buffer[:n]); err != nil {
				return err
			}
		}
	case doGreet:
		_, err := connection.Write([]byte{'.'})
		return err
	}
	return fmt.Errorf("unknown order %q", first[0])
}

func sink(connection net.Conn) error {
	buffer := make([]byte, chunkBytes)
	total := uint64(0)
	for {
		n, err := connection.Read(buffer)
		total += uint64(n)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	_, err := connection.Write(binary.BigEndian.AppendUint64(nil, total))
	return err
}

func source(connection net.Conn) error {
	var milliseconds [4]byte
	if _, err := io.ReadFull(connection, milliseconds[:]); err != nil {
		return err
	}
	return sendFor(connection, time.Duration(binary.BigEndian.Uint32(milliseconds[:]))*time.Millisecond)
}

// sendFor sends as fast as the connection takes it.
func sendFor(connection net.Conn, limit time.Duration) error {
	chunk := make([]byte, chunkBytes)
	for end := time.Now().Add(limit); time.Now().Before(end); {
		if _, err := connection.Write(chunk); err != nil {
			return err
		}
	}
	return nil
}
