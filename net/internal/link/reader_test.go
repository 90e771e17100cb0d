package link

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"testing/iotest"
)

func framed(lengths ...int) []byte {
	var stream []byte
	for i, length := range lengths {
		stream = binary.BigEndian.AppendUint32(stream, uint32(length))
		for j := range length {
			stream = append(stream, byte(i+j))
		}
	}
	return stream
}

func readAll(source io.Reader) (frames [][]byte, runts uint64, err error) {
	reader := NewStreamReader(source)
	for {
		frame, err := reader.Next()
		if err != nil {
			return frames, reader.Runts, err
		}
		frames = append(frames, append([]byte(nil), frame.AsSlice()...))
		frame.Release()
	}
}

// vectored is a source that reads into two places.
type vectored struct{ io.Reader }

func (v vectored) ReadVector(first, second []byte) (int, error) {
	n, err := v.Read(first)
	if n < len(first) || err != nil {
		return n, err
	}
	beyond, err := v.Read(second)
	return n + beyond, err
}

func TestFramesAreTheSameHoweverTheStreamIsCut(t *testing.T) {
	lengths := []int{14, 60, 1514, 65534, 14, MaxFrame, 64, 64, 64, 65534, 65534}
	stream := framed(lengths...)
	for name, source := range map[string]io.Reader{
		"at once":        bytes.NewReader(stream),
		"byte by byte":   iotest.OneByteReader(bytes.NewReader(stream)),
		"halves":         iotest.HalfReader(bytes.NewReader(stream)),
		"data with end":  iotest.DataErrReader(bytes.NewReader(stream)),
		"in two places":  vectored{bytes.NewReader(stream)},
		"slowly, in two": vectored{iotest.HalfReader(bytes.NewReader(stream))},
	} {
		frames, _, err := readAll(source)
		if err != io.EOF || len(frames) != len(lengths) {
			t.Fatalf("%s: %d frames, %v", name, len(frames), err)
		}
		for i, frame := range frames {
			if len(frame) != lengths[i] || frame[0] != byte(i) || frame[len(frame)-1] != byte(i+lengths[i]-1) {
				t.Errorf("%s: frame %d is another", name, i)
			}
		}
	}
}

func TestStreamsThatCannotBeFollowedEnd(t *testing.T) {
	for name, one := range map[string]struct {
		stream []byte
		frames int
		err    error
	}{
		"a length that no frame has":  {append(framed(60), 0, 1, 0x10, 1), 1, ErrFraming},
		"the largest number":          {[]byte{0xff, 0xff, 0xff, 0xff}, 0, ErrFraming},
		"the end within a length":     {append(framed(60), 0, 0), 1, io.ErrUnexpectedEOF},
		"the end within a frame":      {framed(60, 1514)[:200], 1, io.ErrUnexpectedEOF},
		"the end before a frame":      {append(framed(60), 0, 0, 0, 60), 1, io.ErrUnexpectedEOF},
		"nothing at all":              {nil, 0, io.EOF},
		"frames without room for MAC": {framed(0, 1, 13, 14), 1, io.EOF},
	} {
		frames, _, err := readAll(bytes.NewReader(one.stream))
		if len(frames) != one.frames || !errors.Is(err, one.err) {
			t.Errorf("%s: %d frames, %v", name, len(frames), err)
		}
	}
}

func TestRuntsAreCounted(t *testing.T) {
	if _, runts, _ := readAll(bytes.NewReader(framed(0, 13, 14))); runts != 2 {
		t.Errorf("%d runts", runts)
	}
}

func TestSocketsAreReadInTwoPlaces(t *testing.T) {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: t.TempDir() + "/s", Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	stream := framed(60, 65534, 60, MaxFrame, 14)
	go func() {
		conn, err := net.DialUnix("unix", nil, listener.Addr().(*net.UnixAddr))
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Write(stream)
	}()
	conn, err := listener.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	socket, err := newUnixStream(conn)
	if err != nil {
		t.Fatal(err)
	}
	if frames, _, err := readAll(socket); len(frames) != 5 || err != io.EOF {
		t.Errorf("%d frames, %v", len(frames), err)
	}
}

// FuzzStreamReader: whatever a hypervisor sends, frames have lengths that frames can have, reading in one place or two gives
// the same, and it ends.
func FuzzStreamReader(f *testing.F) {
	f.Add(framed(14, 60, 0, 1514), uint8(3))
	f.Add(framed(65534)[:100], uint8(1))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0}, uint8(200))
	f.Fuzz(func(t *testing.T, stream []byte, cut uint8) {
		plain, _, err := readAll(bytes.NewReader(stream))
		if err == nil {
			t.Fatal("no end")
		}
		for _, frame := range plain {
			if len(frame) < HeaderLength || len(frame) > MaxFrame {
				t.Fatalf("a frame of %d bytes", len(frame))
			}
		}
		other, _, otherErr := readAll(vectored{&pieces{stream, int(cut) + 1}})
		if len(plain) != len(other) || !errors.Is(otherErr, err) {
			t.Fatalf("%d frames and %v, %d and %v in pieces of %d", len(plain), err, len(other), otherErr, cut)
		}
		for i := range plain {
			if !bytes.Equal(plain[i], other[i]) {
				t.Fatalf("frame %d is another", i)
			}
		}
	})
}

// pieces is a source that gives so many bytes at a time.
type pieces struct {
	left []byte
	size int
}

func (p *pieces) Read(into []byte) (int, error) {
	if len(p.left) == 0 {
		return 0, io.EOF
	}
	n := copy(into[:min(len(into), p.size)], p.left)
	p.left = p.left[n:]
	return n, nil
}
