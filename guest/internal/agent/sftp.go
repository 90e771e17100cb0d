package agent

import (
	"io"
	"os"

	"github.com/pkg/sftp"

	"ember.dev/guest/internal/process"
)

// SFTPName is argv[0] of this program when it is the sftp server of a user other than root.
const SFTPName = "ember-sftp"

// runSFTP serves files with the login user's rights: root's inside the agent,
// everybody else's in a process that has given up root.
func (s *session) runSFTP() {
	if int(s.login.UID) == os.Geteuid() {
		// The process's own folder, and not the library's option for it, which
		// would also rewrite the targets of relative symbolic links. Nothing else
		// in the agent depends on where it is, and root's home is always the same.
		_ = os.Chdir(homeOf(s.login)) // a missing home leaves the file system's root
		s.exit(serveSFTP(s.ch))
		return
	}
	s.pty = nil // a terminal would mangle the protocol
	s.run(process.Spec{
		Path: s.SelfExe, Argv: []string{SFTPName}, Env: process.LoginEnv(s.login),
		Dir: homeOf(s.login), User: &s.login,
	})
}

// ServeSFTPOnStdio is the whole program when argv[0] is SFTPName.
func ServeSFTPOnStdio() int {
	return serveSFTP(struct {
		io.Reader
		io.WriteCloser
	}{os.Stdin, os.Stdout})
}

// serveSFTP serves until the client is done; relative paths begin at the working folder.
func serveSFTP(stream io.ReadWriteCloser) int {
	server, err := sftp.NewServer(stream)
	if err != nil {
		return 1
	}
	if err := server.Serve(); err != nil && err != io.EOF {
		return 1
	}
	return 0
}
