package link

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

func TestDatagramsAreFramesToAndFromWhoeverSentLast(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "eth")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err) // left by a dead process
	}
	datagram, err := NewDatagram(path)
	if err != nil {
		t.Fatal(err)
	}
	if facts, err := os.Stat(path); err != nil || facts.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", facts.Mode(), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	endpoint := NewEndpoint("\x52\x54\x00\xee\xee\x01", "\x52\x54\x00\x00\x00\x01", 1500)
	received := make(chan []byte, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		datagram.Run(ctx, endpoint.Queue, func(frame *buffer.View) { received <- frame.AsSlice() })
	}()
	for _, name := range []string{"first", "restarted"} {
		own := filepath.Join(folder, name)
		machine, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: own, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		to := &net.UnixAddr{Name: path, Net: "unixgram"}
		for _, length := range []int{5, HeaderLength - 1, 60} { // those without room for addresses are dropped
			if _, err := machine.WriteToUnix(make([]byte, length), to); err != nil {
				t.Fatal(err)
			}
		}
		if frame := <-received; len(frame) != 60 {
			t.Errorf("%s: a frame of %d bytes", name, len(frame))
		}
		endpoint.SendPayload(header.IPv4ProtocolNumber, buffer.MakeWithData([]byte("payload")))
		if err := machine.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 100)
		n, err := machine.Read(got)
		if err != nil || n != HeaderLength+7 || string(got[HeaderLength:n]) != "payload" || !datagram.Linked() {
			t.Errorf("%s: %q, %v", name, got[:n], err)
		}
		machine.Close()
	}
	cancel()
	<-done
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}
