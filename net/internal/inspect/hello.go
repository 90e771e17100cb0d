package inspect

import (
	"encoding/binary"
	"errors"
)

const (
	recordHandshake = 22
	recordChange    = 20 // change_cipher_spec
	recordHeader    = 5
	maxRecord       = 16 << 10
	clientHello     = 1
	maxHello        = 64 << 10
	// maxHelloBytes bounds it with the headers of its records, which may be as small as clients like.
	maxHelloBytes = 128 << 10
	extensionSNI  = 0
	// Encrypted ClientHello as published, its drafts from 0xfe08 on, and its forerunner ESNI.
	extensionECHFirst, extensionECH, extensionESNI = 0xfe08, 0xfe0d, 0xffce
)

var (
	errHello      = errors.New("not a ClientHello that can be read one way only")
	errHelloLarge = errors.New("a ClientHello larger than any client sends")
)

// hello is what a ClientHello says of the server that it is for.
type hello struct {
	// name is as the client spelled it; "" without one.
	name string
	// encrypted: another name may be hidden (ECH).
	encrypted bool
}

// helloReader puts a ClientHello together from records, however it is cut. It looks at each byte once.
type helloReader struct {
	at      int // how far data has been read
	message []byte
}

// read goes on where it stopped: data is all of the client's bytes so far. It says true once the hello is whole, and then
// at is the end of its last record.
func (r *helloReader) read(data []byte) (hello, bool, error) {
	for {
		if len(data) >= r.at+1 && data[r.at] != recordHandshake {
			return hello{}, false, errHello
		}
		if len(data) < r.at+recordHeader {
			return hello{}, false, nil
		}
		length := int(binary.BigEndian.Uint16(data[r.at+3:]))
		if data[r.at+1] != 3 || length == 0 || length > maxRecord {
			return hello{}, false, errHello
		}
		if len(data) < r.at+recordHeader+length {
			return hello{}, false, nil
		}
		r.message = append(r.message, data[r.at+recordHeader:r.at+recordHeader+length]...)
		r.at += recordHeader + length
		if r.message[0] != clientHello {
			return hello{}, false, errHello
		}
		if len(r.message) < 4 {
			continue
		}
		whole := 4 + int(r.message[1])<<16 + int(binary.BigEndian.Uint16(r.message[2:]))
		switch {
		case whole > maxHello:
			return hello{}, false, errHelloLarge
		case len(r.message) > whole:
			return hello{}, false, errHello
		case len(r.message) == whole:
			said, err := parseHello(r.message[4:])
			return said, err == nil, err
		}
	}
}

// fields reads TLS's length-prefixed vectors; after one that is cut, ok is false.
type fields struct {
	rest []byte
	ok   bool
}

func (f *fields) bytes(n int) []byte {
	if !f.ok || len(f.rest) < n {
		f.ok = false
		return nil
	}
	taken := f.rest[:n]
	f.rest = f.rest[n:]
	return taken
}

// number has so many bytes.
func (f *fields) number(bytes int) (n int) {
	for _, b := range f.bytes(bytes) {
		n = n<<8 | int(b)
	}
	return n
}

// vector has its length before it, in so many bytes.
func (f *fields) vector(lengthBytes int) *fields {
	rest := f.bytes(f.number(lengthBytes))
	return &fields{rest: rest, ok: f.ok}
}

func (f *fields) end() bool { return f.ok && len(f.rest) == 0 }

func parseHello(body []byte) (hello, error) {
	all := &fields{rest: body, ok: true}
	all.bytes(2 + 32) // version, random
	all.vector(1)     // session
	all.vector(2)     // cipher suites
	all.vector(1)     // compression
	if all.end() {
		return hello{}, nil // from before there were extensions
	}
	extensions := all.vector(2)
	if !all.end() {
		return hello{}, errHello
	}
	var said hello
	named := false
	for !extensions.end() {
		kind, content := extensions.number(2), extensions.vector(2)
		if !extensions.ok {
			return hello{}, errHello
		}
		switch {
		case kind == extensionSNI:
			name, err := serverName(content)
			if err != nil || named {
				return hello{}, errHello
			}
			said.name, named = name, true
		case extensionECHFirst <= kind && kind <= extensionECH || kind == extensionESNI:
			said.encrypted = true
		}
	}
	return said, nil
}

// serverName takes one host name and nothing else: which of two a server takes, nobody can tell.
func serverName(content *fields) (string, error) {
	list := content.vector(2)
	kind, name := list.number(1), list.vector(2)
	if !content.end() || !list.end() || kind != 0 || len(name.rest) == 0 {
		return "", errHello
	}
	return string(name.rest), nil
}
