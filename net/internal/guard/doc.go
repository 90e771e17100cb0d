// Package guard holds the contract that no policy can widen: which addresses a guest never reaches. It is asked for
// every connection, with the address that the connection goes to, so that a name that resolves to another address than
// a moment ago gains nothing.
package guard

import (
	"errors"
	"fmt"
	"net/netip"

	"ember.dev/net/internal/policy"
)

// Refusal says which part of the contract an address offends.
type Refusal struct {
	Address netip.Addr
	Reason  string
}

func (r *Refusal) Error() string { return fmt.Sprintf("%s is %s", r.Address, r.Reason) }

// rule stands for the contract in what people read.
const rule = "the network contract"

// Decision is the refusal that an error of Check, or of a dialler that asks it, amounts to.
func Decision(err error) policy.Decision {
	decision := policy.Decision{Verdict: policy.Refuse, Rule: rule, Reason: err.Error()}
	var refusal *Refusal
	if errors.As(err, &refusal) {
		decision.Reason = refusal.Reason
	}
	return decision
}
