package policy

// Verdict is what a policy says of one flow.
type Verdict int

const (
	// Refuse: the flow gets a fast, readable refusal.
	Refuse Verdict = iota
	// Allow: the flow goes out.
	Allow
	// Inspect: a rule about host names may decide, by what the client says first; or the refusal has to wait until it is
	// seen whether it can be told in HTTP's words. TCP alone has this verdict.
	Inspect
)

// Why something is refused, in words that follow a colon.
const (
	ReasonNoRule  = "no rule allows it"
	ReasonRule    = "a rule refuses it"
	ReasonLie     = "the resolver did not give this address for this name"
	ReasonBadName = "that is not the name of a host"
	ReasonQUIC    = "QUIC hides the name that the rule is about; TCP shows it"
)

// defaultRule stands for the default in what people read.
const defaultRule = "--egress none"

// Decision is a verdict with the text of the rule that it rests on; "" is the default's.
type Decision struct {
	Verdict Verdict
	Rule    string
	// Name is what the client named, or the name that decided, or else the newest that the address was answered for.
	Name string
	// Reason is "" unless it refuses.
	Reason string
}

// RuleText is the rule as refusals name it: never "".
func (d Decision) RuleText() string {
	if d.Rule == "" {
		return defaultRule
	}
	return d.Rule
}

// How says where a name comes from.
type How string

const (
	SNI      How = "sni"
	Host     How = "host"
	Answer   How = "answer"
	Address  How = "address"
	Question How = "question"
)
