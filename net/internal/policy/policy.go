package policy

// Action of a rule, and of a policy when no rule matches.
type Action string

const (
	ActionAllow  Action = "allow"
	ActionRefuse Action = "refuse"
)

// Policy as the control protocol has it. Refusing rules win over allowing ones; no rule: the default.
type Policy struct {
	Default Action `json:"default"`
	Rules   []Rule `json:"rules"`
}

// Rule is about a host pattern or about a network, never both.
type Rule struct {
	Action   Action `json:"action"`
	Host     string `json:"host,omitempty"`
	CIDR     string `json:"cidr,omitempty"`
	Port     uint16 `json:"port"`
	Protocol string `json:"protocol,omitempty"`
	// Text names the rule in refusals, counters and records.
	Text string `json:"text"`
}
