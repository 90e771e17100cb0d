package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// Action is what a rule, or a policy without a rule that fits, does with a connection.
type Action string

const (
	ActionAllow  Action = "allow"
	ActionRefuse Action = "refuse"
)

const (
	maxPolicyBytes = 4 << 20
	maxRules       = 10_000
	maxTextBytes   = 512
)

// Policy is the whole of what a VM may reach. Refuse rules win over allow rules; where no rule fits, Default holds.
type Policy struct {
	Default Action `json:"default"`
	Rules   []Rule `json:"rules"`
}

// Rule has either a host or a CIDR. Host rules are for TCP: see Engine.Admit for what they do to other protocols.
type Rule struct {
	Action Action `json:"action"`
	// Host is a name, or "*." and a suffix: any depth below it, not the suffix itself. Lower case, punycode, no trailing dot.
	Host string `json:"host,omitempty"`
	// CIDR has no bits set beyond its length.
	CIDR netip.Prefix `json:"cidr,omitzero"`
	// Port 0 is any port, and for a CIDR without a protocol ICMP as well.
	Port uint16 `json:"port"`
	// Protocol is "tcp", "udp" or, for both, "". Only with a CIDR.
	Protocol string `json:"protocol,omitempty"`
	// Text names the rule in refusals, counters and records: the flag that made it.
	Text string `json:"text"`
}

// Open lets a VM reach all that the network contract does not refuse.
func Open() Policy { return Policy{Default: ActionAllow} }

// Parse reads a policy in JSON. It refuses what it does not know, what follows the object, and what is too large.
func Parse(data []byte) (Policy, error) {
	if len(data) > maxPolicyBytes {
		return Policy{}, fmt.Errorf("policy: %d bytes are more than %d", len(data), maxPolicyBytes)
	}
	type plain Policy // without UnmarshalJSON
	var read plain
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&read); err != nil {
		return Policy{}, fmt.Errorf("policy: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Policy{}, errors.New("policy: something follows the object")
	}
	policy := Policy(read)
	return policy, policy.Validate()
}

// UnmarshalJSON is Parse, so that a policy within another message is held to the same.
func (p *Policy) UnmarshalJSON(data []byte) error {
	read, err := Parse(data)
	if err == nil {
		*p = read
	}
	return err
}

// Validate says what is wrong with the policy, and where; nil when nothing is.
func (p Policy) Validate() error {
	if !p.Default.known() {
		return fmt.Errorf("policy.default: %q is neither allow nor refuse", clip(string(p.Default)))
	}
	if len(p.Rules) > maxRules {
		return fmt.Errorf("policy.rules: %d rules are more than %d", len(p.Rules), maxRules)
	}
	for i, rule := range p.Rules {
		if err := rule.validate(); err != nil {
			return fmt.Errorf("policy.rules[%d]: %w", i, err)
		}
	}
	return nil
}

func (a Action) known() bool { return a == ActionAllow || a == ActionRefuse }

func (r Rule) validate() error {
	if !r.Action.known() {
		return fmt.Errorf("action: %q is neither allow nor refuse", clip(string(r.Action)))
	}
	if err := validateText(r.Text); err != nil {
		return err
	}
	switch {
	case (r.Host == "") == (r.CIDR == netip.Prefix{}):
		return errors.New("a rule has either a host or a cidr")
	case r.Host != "":
		if r.Protocol != "" {
			return errors.New("protocol: host rules have none")
		}
		return validatePattern(r.Host)
	}
	return r.validateCIDR()
}

func (r Rule) validateCIDR() error {
	switch {
	case !r.CIDR.IsValid():
		return errors.New("cidr: not a network")
	case r.CIDR.Addr().Is4In6():
		return fmt.Errorf("cidr: %s is an IPv4 network in IPv6's form", r.CIDR)
	case r.CIDR != r.CIDR.Masked():
		return fmt.Errorf("cidr: %s has bits beyond its length; the network is %s", r.CIDR, r.CIDR.Masked())
	case r.Protocol != "" && r.Protocol != "tcp" && r.Protocol != "udp":
		return fmt.Errorf("protocol: %q is neither tcp nor udp", clip(r.Protocol))
	}
	return nil
}

// validateText keeps line breaks out of the header and the log lines that rules are named in.
func validateText(text string) error {
	if text == "" || len(text) > maxTextBytes {
		return fmt.Errorf("text: must have 1 to %d bytes", maxTextBytes)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return fmt.Errorf("text: %q has characters that are not printable ASCII", clip(text))
	}
	return nil
}

func clip(text string) string {
	if len(text) > 80 {
		return text[:80]
	}
	return text
}
