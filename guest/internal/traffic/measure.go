package main

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// together does it in so many streams at once; gives the sum of bytes and the
// time until the last was done. That some streams break is a result; that all
// do is a failure.
func together(streams int, body func() (uint64, error)) (result, error) {
	var all sync.WaitGroup
	counts := make([]uint64, streams)
	failures := make([]error, streams)
	started := time.Now()
	for i := range streams {
		all.Go(func() { counts[i], failures[i] = body() })
	}
	all.Wait()
	r := result{Seconds: time.Since(started).Seconds()}
	for i, count := range counts {
		r.Bytes += count
		if failures[i] != nil {
			r.Broken++
		}
	}
	if r.Broken == streams {
		return r, errors.Join(failures...)
	}
	return r, nil
}

func dial(to string, words ...byte) (net.Conn, error) {
	connection, err := net.DialTimeout("tcp4", to, dialLimit)
	if err != nil {
		return nil, err
	}
	if _, err := connection.Write(words); err != nil {
		_ = connection.Close() // the first error says what went wrong
		return nil, err
	}
	return connection, nil
}

// send gives what arrived at the far end, not what was handed to the kernel here.
func send(to string, limit time.Duration) (uint64, error) {
	connection, err := dial(to, doSink)
	if err != nil {
		return 0, err
	}
	defer connection.Close()
	if err := sendFor(connection, limit); err != nil {
		return 0, err
	}
	if err := connection.(*net.TCPConn).CloseWrite(); err != nil {
		return 0, err
	}
	var total [8]byte
	_, err = io.ReadFull(connection, total[:])
	return binary.BigEndian.Uint64(total[:]), err
}

func receive(to string, limit time.Duration) (uint64, error) {
	words := binary.BigEndian.AppendUint32([]byte{doSource}, uint32(limit.Milliseconds()))
	connection, err := dial(to, words...)
	if err != nil {
		return 0, err
	}
	defer connection.Close()
	buffer := make([]byte, chunkBytes)
	total := uint64(0)
	for {
		n, err := connection.Read(buffer)
		total += uint64(n)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// ask asks and waits for the answer, one after the other on one connection.
func ask(to string, count int) (result, error) {
	connection, err := dial(to, doEcho)
	if err != nil {
		return result{}, err
	}
	defer connection.Close()
	words := make([]byte, 64)
	times := make([]float64, count)
	for i := range times {
		started := time.Now()
		if err := exchange(connection, words); err != nil {
			return result{}, err
		}
		times[i] = float64(time.Since(started).Nanoseconds()) / 1000
	}
	slices.Sort(times)
	return result{P50Micros: times[count/2], P99Micros: times[count*99/100]}, nil
}

func exchange(connection net.Conn, words []byte) error {
	if _, err := connection.Write(words); err != nil {
		return err
	}
	_, err := io.ReadFull(connection, words)
	return err
}

// connect sets up connections one after the other, each until the far end's word came.
func connect(to string, count int) error {
	for range count {
		connection, err := dial(to, doGreet)
		if err != nil {
			return err
		}
		_, err = io.ReadAll(connection)
		_ = connection.Close() // the far end closed it
		if err != nil {
			return err
		}
	}
	return nil
}
