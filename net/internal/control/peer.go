package control

import (
	"fmt"
	"net"
	"os"
)

// checkPeer lets this user and root in. The socket's folder keeps others out already; it may have been opened by mistake.
func checkPeer(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var user uint32
	var failure error
	if err := raw.Control(func(fd uintptr) { user, failure = peerUser(int(fd)) }); err != nil {
		return err
	}
	if failure != nil {
		return fmt.Errorf("find out whose it is: %w", failure)
	}
	if user != 0 && int(user) != os.Getuid() {
		return fmt.Errorf("it is of user %d", user)
	}
	return nil
}
