package agent

import (
	"errors"
	"fmt"
	"net"

	"ember.dev/guest/internal/identity"
)

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
	if network == "vsock" {
		return listenVsock(port)
	}
	return listenTCP(port)
}
