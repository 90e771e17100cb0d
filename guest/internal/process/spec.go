package process

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"ember.dev/guest/internal/users"
)

// Spec is a program to start. The path is absolute or relative to Dir, already looked up.
type Spec struct {
	Path  string
	Argv  []string
	Env   []string
	Dir   string
	Files []*os.File // descriptors 0, 1, 2, ...
	TTY   bool       // descriptor 0 becomes the controlling terminal
	User  *users.User
}

// credential is nil when nothing changes, so that tests and guests run the
// same code whether or not they may change users.
func (s Spec) credential() *syscall.Credential {
	if s.User == nil {
		return nil
	}
	if os.Geteuid() != 0 {
		if int(s.User.UID) == os.Geteuid() {
			return nil
		}
		return &syscall.Credential{Uid: s.User.UID, Gid: s.User.GID, NoSetGroups: true}
	}
	return &syscall.Credential{Uid: s.User.UID, Gid: s.User.GID, Groups: s.User.Groups}
}

// give makes a pipe the new user's own, else a program could not open its own
// /dev/stdout, as images that log there do.
func (s Spec) give(fd int) {
	var st unix.Stat_t
	if s.User == nil || s.User.UID == 0 || unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return
	}
	_ = unix.Fchown(fd, int(s.User.UID), -1) // not root: it is ours already
}
