package agent

import (
	"os"
	"sync"

	"github.com/creack/pty"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// ttyGroup owns terminals in every distribution; devpts is mounted accordingly.
const ttyGroup = 5

// terminal is the pseudo-terminal of a session. A nil terminal may be closed.
type terminal struct {
	term   string
	master *os.File
	mu     sync.Mutex
	slave  *os.File
}

func (s *session) openPTY(payload []byte) bool {
	var request struct {
		Term                         string
		Columns, Rows, Width, Height uint32
		Modes                        string
	}
	if s.pty != nil || s.used || ssh.Unmarshal(payload, &request) != nil || !validEnv("TERM", request.Term) {
		return false
	}
	master, slave, err := pty.Open()
	if err != nil {
		return false
	}
	s.pty = &terminal{term: firstOf(request.Term, "dumb"), master: master, slave: slave}
	applyModes(slave, []byte(request.Modes))
	s.pty.setSize(request.Columns, request.Rows, request.Width, request.Height)
	return true
}

func (t *terminal) resize(payload []byte) bool {
	var size struct{ Columns, Rows, Width, Height uint32 }
	if ssh.Unmarshal(payload, &size) != nil {
		return false
	}
	t.setSize(size.Columns, size.Rows, size.Width, size.Height)
	return true
}

func (t *terminal) setSize(columns, rows, width, height uint32) {
	_ = pty.Setsize(t.master, &pty.Winsize{ // a terminal that has just gone has no size
		Rows: uint16(rows), Cols: uint16(columns), X: uint16(width), Y: uint16(height),
	})
}

// give makes the terminal the user's own, as login programs do.
func (t *terminal) give(uid, gid uint32) {
	if t.slave.Chown(int(uid), ttyGroup) == nil {
		_ = t.slave.Chmod(0o620) // as above
		return
	}
	_ = t.slave.Chown(int(uid), int(gid)) // not root: it is ours already
}

// endInput types the end-of-file character, which shells and most other
// programs understand whatever mode the terminal is in; without it they would
// wait for ever.
func (t *terminal) endInput() {
	end := byte(4) // control-D
	if raw, err := t.master.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { // closed: nobody reads any more
			if attributes, err := unix.IoctlGetTermios(int(fd), unix.TCGETS); err == nil {
				end = attributes.Cc[unix.VEOF]
			}
		})
	}
	_, _ = t.master.Write([]byte{end}) // as above
}

func (t *terminal) closeSlave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.slave != nil {
		_ = t.slave.Close() // the child has its own
		t.slave = nil
	}
}

func (t *terminal) close() {
	if t == nil {
		return
	}
	t.closeSlave()
	_ = t.master.Close() // may be closed already
}
