package guest

import (
	"net/netip"

	"ember.dev/net/internal/intercept"
	"ember.dev/net/internal/policy"
)

// SetSecrets replaces what is put in place on the way to some hosts: see intercept.Slot.
func (vm *VM) SetSecrets(authority *intercept.Authority, secrets []intercept.Secret) error {
	return vm.intercept.Set(authority, secrets)
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
