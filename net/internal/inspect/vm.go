package inspect

import (
	"context"
	"net"
	"net/netip"
	"slices"

	"ember.dev/net/internal/policy"
	"ember.dev/net/internal/record"
)

// VM is what inspection needs of the VM whose connection it is.
type VM struct {
	Engine *policy.Engine
	// Dial connects to destination by the contract; name is for a proxy that connects by name, and may be "".
	Dial func(ctx context.Context, name string, destination netip.AddrPort) (net.Conn, error)
	// Intercept is nil for a VM without secrets.
	Intercept Interceptor
	Record    Recorder
}

// Interests says whether the interceptor may want a connection to the destination, so that Serve has to look at it though
// the policy allows it: one of the names that it was answered for is wanted.
func (vm *VM) Interests(destination netip.AddrPort) bool {
	if vm.Intercept == nil {
		return false
	}
	return slices.ContainsFunc(vm.Engine.NamesOf(destination.Addr()), vm.Intercept.Wants)
}

// Interceptor takes over connections to hosts that secrets are for.
type Interceptor interface {
	Wants(name string) bool
	// Serve owns guest, whose ClientHello is unread, until it returns.
	Serve(ctx context.Context, guest net.Conn, name string, dial func(ctx context.Context) (net.Conn, error)) error
}

// Recorder notes flows. Note keeps count and times itself.
type Recorder interface {
	Note(record.Flow)
}

// GuestConn is what Serve gets: a guest's connection, already accepted. Serve holds it (policy.Engine.Hold) once it is
// admitted, so that Engine.Replace resets it when another policy does not allow it; until then every byte is looked at
// under the policy of that moment.
type GuestConn interface {
	net.Conn
	CloseWrite() error
	// Reset ends the connection with an RST.
	Reset()
}
