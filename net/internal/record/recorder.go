package record

import (
	"slices"
	"sync"
	"time"

	"ember.dev/net/internal/policy"
)

const (
	// maxFlows is how many distinct flows are kept per VM. Beyond them flows are kept without name and address.
	maxFlows = 4096
	// maxCoarse bounds those without name and address; beyond them flows are only counted.
	maxCoarse = 512
	maxText   = 512
	allowed   = "allowed"
	refused   = "refused"
)

// Counters are of the VM's whole life, as far as its record was kept.
type Counters struct {
	Allowed uint64 `json:"allowed"`
	Refused uint64 `json:"refused"`
	// Dropped are flows that were counted but not recorded, since too many others were.
	Dropped uint64 `json:"dropped"`
}

// Recorder keeps one VM's flows. Its methods may be called at the same time.
type Recorder struct {
	mu       sync.Mutex
	flows    map[key]*Flow
	coarse   int
	counters Counters
	changed  bool
	now      func() time.Time
}

// key is what makes two flows one.
type key struct {
	protocol, name, address string
	by                      policy.How
	port                    uint16
	verdict, rule           string
}

// New makes an empty record.
func New() *Recorder { return &Recorder{flows: map[key]*Flow{}, now: time.Now} }

// Note counts a flow, as once when its Count is 0, and keeps the times itself. Names that no host has are left out.
func (r *Recorder) Note(flow Flow) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.now().UTC().Truncate(time.Millisecond)
	flow.FirstAt, flow.LastAt = at, at
	flow.Count = max(flow.Count, 1)
	r.add(flow)
	r.changed = true
	if flow.Verdict == refused {
		r.counters.Refused += flow.Count
	} else {
		r.counters.Allowed += flow.Count
	}
}

// FlowOf is the flow that a decision was about. by says where the decision's name is from; without one it is the address.
func FlowOf(protocol string, by policy.How, decision policy.Decision, address string, port uint16) Flow {
	flow := Flow{Protocol: protocol, Name: decision.Name, By: by, Address: address, Port: port, Verdict: allowed, Rule: decision.Rule}
	if decision.Verdict == policy.Refuse {
		flow.Verdict = refused
	}
	if flow.Name == "" {
		flow.By = policy.Address
	}
	return flow
}

func (r *Recorder) add(flow Flow) {
	flow.clean()
	if r.merge(flow) {
		return
	}
	if len(r.flows)-r.coarse < maxFlows {
		r.flows[keyOf(flow)] = &flow
		return
	}
	flow.Name, flow.Address, flow.By = "", "", policy.Address
	if r.merge(flow) {
		return
	}
	if r.coarse < maxCoarse {
		r.coarse++
		r.flows[keyOf(flow)] = &flow
		return
	}
	r.counters.Dropped += flow.Count
}

func (r *Recorder) merge(flow Flow) bool {
	known := r.flows[keyOf(flow)]
	if known == nil {
		return false
	}
	known.Count += flow.Count
	if flow.FirstAt.Before(known.FirstAt) {
		known.FirstAt = flow.FirstAt
	}
	if flow.LastAt.After(known.LastAt) {
		known.LastAt = flow.LastAt
	}
	return true
}

func keyOf(f Flow) key {
	return key{f.Protocol, f.Name, f.Address, f.By, f.Port, f.Verdict, f.Rule}
}

// clean leaves out what a guest may have said in place of a name, and keeps the rest small.
func (f *Flow) clean() {
	name, ok := policy.NormalName(f.Name)
	if !ok {
		name = ""
	}
	f.Name = name
	if len(f.Rule) > maxText {
		f.Rule = f.Rule[:maxText]
	}
}

// Flows are all that is recorded, those seen last first.
func (r *Recorder) Flows() []Flow {
	r.mu.Lock()
	defer r.mu.Unlock()
	flows := make([]Flow, 0, len(r.flows))
	for _, flow := range r.flows {
		flows = append(flows, *flow)
	}
	slices.SortFunc(flows, compare)
	return flows
}

// Counters says how many flows there were.
func (r *Recorder) Counters() Counters {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counters
}

// Forget empties the record and the counters.
func (r *Recorder) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flows, r.coarse, r.counters, r.changed = map[key]*Flow{}, 0, Counters{}, true
}
