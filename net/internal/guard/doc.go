// Package guard holds the contract that no policy can widen: which addresses a guest never reaches. It is asked for
// every connection, with the address that the connection goes to, so that a name that resolves to another address than
// a moment ago gains nothing.
package guard

import (
	"fmt"
	"net/netip"
)

// Refusal says which part of the contract an address offends.
type Refusal struct {
	Address netip.Addr
	Reason  string
}

func (r *Refusal) Error() string { return fmt.Sprintf("%s is %s", r.Address, r.Reason) }
