// Package console writes to the guest's console, the only thing the host sees
// of a guest whose agent cannot be reached.
package console

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

const device = "/dev/console"

// Console prefixes lines and survives a hang-up of the terminal underneath: a
// getty on the same line calls vhangup, after which old descriptors give EIO.
type Console struct {
	mu   sync.Mutex
	file *os.File
	path string
}

// Open opens the real console. It never fails: a guest without one runs mute.
func Open() *Console { return OpenPath(device) }

// OpenPath is Open for another terminal or file.
func OpenPath(path string) *Console {
	c := &Console{path: path}
	c.reopen()
	return c
}

func (c *Console) reopen() {
	if c.file != nil {
		_ = c.file.Close() // already hung up
		c.file = nil
	}
	// O_NOCTTY: the console must not become a controlling terminal.
	if f, err := os.OpenFile(c.path, os.O_WRONLY|os.O_APPEND|unix.O_NOCTTY, 0); err == nil {
		c.file = f
	}
}

// Write sends bytes as they are, in one piece where the terminal allows it.
func (c *Console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file != nil {
		if _, err := c.file.Write(p); err == nil {
			return len(p), nil
		}
	}
	c.reopen()
	if c.file != nil {
		_, _ = c.file.Write(p) // a console that fails twice has nobody to tell
	}
	return len(p), nil
}

// Printf writes one line with the prefix that the host looks for.
func (c *Console) Printf(format string, args ...any) {
	text := Escape(strings.TrimRight(fmt.Sprintf(format, args...), "\n"))
	_, _ = c.Write([]byte("ember-guest: " + text + "\n"))
}

// Drain waits until the last byte has left the line, which a power-off would cut short.
func (c *Console) Drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file != nil {
		_ = unix.IoctlSetInt(int(c.file.Fd()), unix.TCSBRK, 1) // not a terminal: nothing to drain
	}
}
