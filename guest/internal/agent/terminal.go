package agent

import (
	"os"
	"sync"

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

// openTerminal returns both ends of a new pseudo-terminal. The program's end
// is asked for by ioctl, which works wherever devpts is mounted.
func openTerminal() (master, slave *os.File, err error) {
	ours, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	theirs := -1
	if err = unix.IoctlSetPointerInt(ours, unix.TIOCSPTLCK, 0); err == nil {
		theirs, err = openPeer(ours)
	}
	if err != nil {
		_ = unix.Close(ours)
		return nil, nil, err
	}
	return os.NewFile(uintptr(ours), "ptmx"), os.NewFile(uintptr(theirs), "pts"), nil
}

func openPeer(master int) (int, error) {
	flags := unix.O_RDWR | unix.O_NOCTTY | unix.O_CLOEXEC
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER, uintptr(flags))
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
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
	master, slave, err := openTerminal()
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
	t.control(func(fd int) {
		_ = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{ // a size is never vital
			Row: uint16(rows), Col: uint16(columns), Xpixel: uint16(width), Ypixel: uint16(height),
		})
	})
}

// control runs an ioctl on our end; File.Fd would make it blocking, and the
// end of a session could no longer interrupt a read.
func (t *terminal) control(do func(fd int)) {
	if raw, err := t.master.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { do(int(fd)) }) // closed: there is nothing to control
	}
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
	t.control(func(fd int) {
		if attributes, err := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil {
			end = attributes.Cc[unix.VEOF]
		}
	})
	_, _ = t.master.Write([]byte{end}) // closed: nobody reads any more
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
