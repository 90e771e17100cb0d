package inspect

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// realHello is what Go's TLS client says first, without its record's header.
func realHello(t testing.TB, name string) []byte {
	t.Helper()
	client, server := net.Pipe()
	defer server.Close()
	go func() {
		_ = tls.Client(client, &tls.Config{ServerName: name, InsecureSkipVerify: true}).Handshake()
		client.Close()
	}()
	header := make([]byte, recordHeader)
	if _, err := io.ReadFull(server, header); err != nil {
		t.Fatal(err)
	}
	message := make([]byte, binary.BigEndian.Uint16(header[3:]))
	if _, err := io.ReadFull(server, message); err != nil {
		t.Fatal(err)
	}
	return message
}

// inRecords puts a handshake message into records with so many bytes each.
func inRecords(message []byte, size int) []byte {
	var records []byte
	for _, piece := range cut(message, size) {
		records = append(records, recordHandshake, 3, 1, byte(len(piece)>>8), byte(len(piece)))
		records = append(records, piece...)
	}
	return records
}

func vector(lengthBytes int, content []byte) []byte {
	length := binary.BigEndian.AppendUint32(nil, uint32(len(content)))
	return append(length[4-lengthBytes:], content...)
}

func extension(kind int, content []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(kind)), vector(2, content)...)
}

func sni(names ...string) []byte {
	var list []byte
	for _, name := range names {
		list = append(append(list, 0), vector(2, []byte(name))...)
	}
	return extension(extensionSNI, vector(2, list))
}

// helloWith is a ClientHello with the given extensions.
func helloWith(extensions ...[]byte) []byte {
	body := append(make([]byte, 34), 0)
	body = append(body, vector(2, []byte{0x0a, 0x0a, 0x13, 0x01})...) // the first is GREASE
	body = append(body, 1, 0)
	body = append(body, vector(2, bytes.Join(extensions, nil))...)
	return append([]byte{clientHello}, vector(3, body)...)
}

func readAll(data []byte, step int) (hello, bool, error) {
	var reader helloReader
	for n := step; ; n += step {
		said, whole, err := reader.read(data[:min(n, len(data))])
		if whole || err != nil || n >= len(data) {
			return said, whole, err
		}
	}
}

func TestHelloIsReadHoweverItIsCut(t *testing.T) {
	grease := extension(0x4a4a, []byte{0})
	for name, message := range map[string][]byte{
		"a real one":             realHello(t, "good.example"),
		"GREASE about it":        helloWith(grease, sni("good.example"), extension(0x8a8a, nil)),
		"with 40 KiB of padding": helloWith(extension(21, make([]byte, 40<<10)), sni("good.example")),
	} {
		for _, size := range []int{1, 2, 3, 7, 100, 16384} {
			if len(inRecords(message, size)) > maxHelloBytes {
				continue // more than is ever held
			}
			for _, step := range []int{1, 5, 1 << 20} {
				if step == 1 && len(message) > 4096 {
					continue
				}
				said, whole, err := readAll(inRecords(message, size), step)
				if !whole || said.name != "good.example" || said.encrypted {
					t.Errorf("%s, records of %d, %d bytes at a time: %+v, %v, %v", name, size, step, said, whole, err)
				}
			}
		}
	}
}

func TestHelloWithoutNameOrWithAHiddenOne(t *testing.T) {
	for name, test := range map[string]struct {
		message []byte
		want    hello
	}{
		"no SNI":                {helloWith(extension(43, []byte{2, 3, 4})), hello{}},
		"an address":            {helloWith(sni("192.0.2.1")), hello{name: "192.0.2.1"}},
		"ECH":                   {helloWith(sni("good.example"), extension(0xfe0d, []byte{0, 1, 2})), hello{"good.example", true}},
		"a draft of ECH":        {helloWith(sni("good.example"), extension(0xfe09, nil)), hello{"good.example", true}},
		"ESNI":                  {helloWith(extension(0xffce, nil)), hello{"", true}},
		"no extensions, as SSL": {append([]byte{1, 0, 0, 40}, append(make([]byte, 35), 0, 2, 0x13, 1, 0)...), hello{}},
	} {
		said, whole, err := readAll(inRecords(test.message, 9), 4)
		if !whole || said != test.want {
			t.Errorf("%s: %+v, %v, %v", name, said, whole, err)
		}
	}
}

func TestHelloThatReadsTwoWaysIsRefused(t *testing.T) {
	whole := helloWith(sni("good.example"))
	change := func(at int, to byte) []byte {
		records := inRecords(whole, 1<<14)
		records[at] = to
		return records
	}
	huge := append([]byte{clientHello, 1, 0, 1}, make([]byte, 100)...)
	for name, records := range map[string][]byte{
		"two names in one":          inRecords(helloWith(sni("good.example", "bad.example")), 1<<14),
		"two SNIs":                  inRecords(helloWith(sni("good.example"), sni("bad.example")), 1<<14),
		"an empty name":             inRecords(helloWith(sni("")), 1<<14),
		"an empty list":             inRecords(helloWith(extension(0, vector(2, nil))), 1<<14),
		"an SNI of nothing":         inRecords(helloWith(extension(0, nil)), 1<<14),
		"a name of another kind":    inRecords(helloWith(extension(0, vector(2, append([]byte{1}, vector(2, []byte("a.b"))...)))), 1<<14),
		"more after the list":       inRecords(helloWith(extension(0, append(vector(2, []byte{0, 0, 1, 'a'}), 0))), 1<<14),
		"an extension that is cut":  inRecords(helloWith(sni("good.example"), []byte{0, 1, 0, 9, 0}), 1<<14),
		"more after the hello":      inRecords(append(bytes.Clone(whole), 0), 1<<14),
		"another message first":     inRecords(append([]byte{2, 0, 0, 0}, whole...), 1<<14),
		"an alert first":            append([]byte{21, 3, 1, 0, 2, 1, 0}, inRecords(whole, 1<<14)...),
		"a change of ciphers first": append([]byte{20, 3, 1, 0, 1, 1}, inRecords(whole, 1<<14)...),
		"an alert between":          append(inRecords(whole[:9], 9), append([]byte{21, 3, 1, 0, 2, 1, 0}, inRecords(whole[9:], 99)...)...),
		"an empty record":           append([]byte{22, 3, 1, 0, 0}, inRecords(whole, 1<<14)...),
		"a record too long":         change(3, 0x50),
		"another version":           change(1, 2),
		"a hello of 64 KiB":         inRecords(huge, 1<<14),
	} {
		for _, step := range []int{1, 1 << 20} {
			if said, whole, err := readAll(records, step); whole || err == nil {
				t.Errorf("%s, %d at a time: %+v, %v", name, step, said, err)
			}
		}
	}
	if _, _, err := readAll(inRecords(huge, 1<<14), 1); !errors.Is(err, errHelloLarge) {
		t.Error(err)
	}
}

func FuzzHello(f *testing.F) {
	f.Add(inRecords(realHello(f, "good.example"), 100), 3)
	f.Add(inRecords(helloWith(sni("a.b"), extension(0xfe0d, nil)), 1), 1)
	f.Add([]byte(strings.Repeat("\x16\x03\x01\x00\x01\x01", 3)), 2)
	f.Fuzz(func(t *testing.T, data []byte, step int) {
		step = 1 + max(step, -step)&0xff
		said, whole, err := readAll(data, 1<<30)
		again, wholeAgain, errAgain := readAll(data, step)
		if said != again || whole != wholeAgain || (err == nil) != (errAgain == nil) {
			t.Fatalf("at once %+v, %v, %v; in steps %+v, %v, %v", said, whole, err, again, wholeAgain, errAgain)
		}
	})
}
