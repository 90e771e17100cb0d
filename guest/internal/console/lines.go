package console

import (
	"bytes"
	"io"
	"sync"
)

// MaxLine is where a line without an end is split.
const MaxLine = 8 << 10

const hexDigits = "0123456789abcdef"

// Lines turns a byte stream into prefixed console lines, so that the host can
// tell a process's output from kernel messages, and so that a process can
// never forge a line of ours.
type Lines struct {
	mu      sync.Mutex
	out     io.Writer
	prefix  string
	pending []byte
}

// NewLines returns a writer with the given prefix, e.g. "ember-out: ".
func NewLines(out io.Writer, prefix string) *Lines {
	return &Lines{out: out, prefix: prefix}
}

// Write never fails: losing console output must not fail the process that wrote it.
func (l *Lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(p)
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		chunk := p
		if end >= 0 {
			chunk = p[:end]
		}
		if room := MaxLine - len(l.pending); len(chunk) > room {
			chunk, end = p[:room], -1
		}
		l.pending = append(l.pending, chunk...)
		p = p[len(chunk):]
		if end >= 0 {
			p = p[1:]
		}
		if end >= 0 || len(l.pending) >= MaxLine {
			l.emit()
		}
	}
	return n, nil
}

// Flush writes what has no line end yet.
func (l *Lines) Flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) > 0 {
		l.emit()
	}
}

func (l *Lines) emit() {
	text := bytes.TrimSuffix(l.pending, []byte{'\r'})
	line := make([]byte, 0, len(l.prefix)+len(text)+1)
	line = append(line, l.prefix...)
	line = appendEscaped(line, text)
	_, _ = l.out.Write(append(line, '\n')) // see Write
	l.pending = l.pending[:0]
}

// Escape makes control characters other than tab visible as \xNN.
func Escape(s string) string { return string(appendEscaped(nil, []byte(s))) }

func appendEscaped(dst, text []byte) []byte {
	for _, c := range text {
		if (c < ' ' && c != '\t') || c == 0x7f {
			dst = append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
			continue
		}
		dst = append(dst, c)
	}
	return dst
}
