package process

import (
	"os"
	"syscall"

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
