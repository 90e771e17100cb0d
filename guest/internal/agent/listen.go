package agent

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"ember.dev/guest/internal/identity"
)

const vsockDevice = "/dev/vsock"

// Listen opens "tcp:PORT" and "vsock:PORT" addresses. One is enough: a guest
// without vsock is reached over TCP and the other way round, so failures are
// returned only when nothing listens.
func Listen(addresses []string) ([]net.Listener, error) {
	var listeners []net.Listener
	var failures []error
	for _, address := range addresses {
		listener, err := listenOne(address)
		if err != nil {
			failures = append(failures, fmt.Errorf("listen on %s: %w", address, err))
			continue
		}
		listeners = append(listeners, listener)
	}
	if len(listeners) == 0 {
		return nil, errors.Join(append(failures, errors.New("the agent has nothing to listen on"))...)
	}
	return listeners, nil
}

func listenOne(address string) (net.Listener, error) {
	network, port, err := identity.ParseListen(address)
	if err != nil {
		return nil, err
	}
	if network != "vsock" {
		return listenTCP(port)
	}
	listener, err := listenVsock(port)
	if errors.Is(err, unix.EAFNOSUPPORT) {
		err = fmt.Errorf("this kernel has no vsock, neither built in nor as a module of the initrd: %w", err)
	}
	return listener, err
}

// Doubts says of each address that is listened on why the host may not reach
// it, for the console. A listener without a vsock device is no failure: it
// takes connections from the moment when the device appears.
func Doubts(addresses []string) []string { return doubts(addresses, localCID) }

func doubts(addresses []string, cid func() (uint32, error)) []string {
	var found []string
	for _, address := range addresses {
		if network, _, err := identity.ParseListen(address); err != nil || network != "vsock" {
			continue
		}
		switch id, err := cid(); {
		case err != nil:
			found = append(found, fmt.Sprintf("%s cannot be reached: %v", address, err))
		case id == unix.VMADDR_CID_ANY:
			found = append(found, fmt.Sprintf("%s cannot be reached: this machine has no vsock device, or not yet", address))
		}
	}
	return found
}

// localCID is this machine's address on vsock: VMADDR_CID_ANY as long as it
// has a driver but no device.
func localCID() (uint32, error) {
	f, err := os.Open(vsockDevice)
	if err != nil {
		return 0, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	return unix.IoctlGetUint32(int(f.Fd()), unix.IOCTL_VM_SOCKETS_GET_LOCAL_CID)
}
