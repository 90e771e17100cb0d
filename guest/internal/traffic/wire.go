package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

const (
	largestFrame = 64<<10 + 64
	lengthBytes  = 4 // before each frame, as QEMU's stream backend has it
)

// wire carries frames between a TAP and a stream socket as QEMU does, for ever:
// it listens there, or connects. It says "ready" when it has the TAP.
func wire(device, how, path string) error {
	tap, err := openTap(device)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	stream, err := openStream(how, path)
	if err != nil {
		return err
	}
	failed := make(chan error)
	go func() { failed <- toStream(tap, stream) }()
	go func() { failed <- toTap(stream, tap) }()
	return <-failed
}

func openTap(device string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	request, err := unix.NewIfreq(device)
	if err != nil {
		return nil, err
	}
	request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return nil, fmt.Errorf("TAP %s: %w", device, err)
	}
	return os.NewFile(uintptr(fd), device), nil
}

func openStream(how, path string) (net.Conn, error) {
	if how == "connect" {
		return net.Dial("unix", path)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	return listener.Accept()
}

func toStream(tap *os.File, stream net.Conn) error {
	buffer := make([]byte, lengthBytes+largestFrame)
	for {
		n, err := tap.Read(buffer[lengthBytes:])
		if err != nil {
			return err
		}
		binary.BigEndian.PutUint32(buffer, uint32(n))
		if _, err := stream.Write(buffer[:lengthBytes+n]); err != nil {
			return err
		}
	}
}

func toTap(stream net.Conn, tap *os.File) error {
	frames := bufio.NewReaderSize(stream, 4*largestFrame)
	buffer := make([]byte, largestFrame)
	for {
		if _, err := io.ReadFull(frames, buffer[:lengthBytes]); err != nil {
			return err
		}
		frame := buffer[:min(binary.BigEndian.Uint32(buffer), largestFrame)]
		if _, err := io.ReadFull(frames, frame); err != nil {
			return err
		}
		_, _ = tap.Write(frame) // what the interface does not take is lost, as on a cable
	}
}
