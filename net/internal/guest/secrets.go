package guest

import (
	"errors"
	"net/netip"

	"ember.dev/net/internal/intercept"
	"ember.dev/net/internal/policy"
)

// SetSecrets replaces what is put in place on the way to some hosts; authority is nil for a VM without secrets. Connections
// that others were for end.
func (vm *VM) SetSecrets(authority *intercept.Authority, secrets []intercept.Secret) error {
	var interceptor *intercept.Interceptor
	if len(secrets) > 0 {
		if authority == nil {
			return errors.New("secrets need an authority")
		}
		var err error
		if interceptor, err = intercept.New(*authority, secrets); err != nil {
			return err
		}
	}
	present := vm.intercept.Load()
	if present != nil && interceptor != nil && present.Same(interceptor) {
		return nil
	}
	vm.intercept.Store(interceptor)
	if present != nil {
		present.Close()
	}
	return nil
}

// quicRule is the rule in a refusal of HTTP/3.
const quicRule = "--secret-host"

// withoutQUIC refuses HTTP/3 to hosts that secrets are for, in which none could be put in place: programs go on in TCP.
func (vm *VM) withoutQUIC(decision policy.Decision, protocol string, destination netip.AddrPort) policy.Decision {
	if protocol != policy.UDP || destination.Port() != 443 || decision.Verdict != policy.Allow || !vm.inspection().Interests(destination) {
		return decision
	}
	decision.Verdict, decision.Rule = policy.Refuse, quicRule
	decision.Reason = "a secret is for this host, and goes into requests over TCP alone"
	return decision
}
