package policy

// Verdict is what a policy says of one flow.
type Verdict int

const (
	// Refuse: the flow gets a fast, readable refusal.
	Refuse Verdict = iota
	// Allow: the flow goes out.
	Allow
	// Inspect: a rule about host names may decide, by what the client says first. TCP alone has this verdict:
	// of other protocols the names that the resolver gave for the address decide at once.
	Inspect
)

// Decision is a verdict with the text of the rule that it rests on; "" is the default's.
type Decision struct {
	Verdict Verdict
	Rule    string
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
