// Package names is the resolver that guests ask: it knows the VMs' own names, and asks the host's resolvers for all
// others. Questions go there as they are, answers come back as they are, but for what follows.
//
//   - The policy may refuse a question, and learns the addresses of each answer.
//   - An answer must be of the question: the same id, name, type and class, on a socket of its own.
//   - Times to live are capped, so that a guest notices when the host's network has changed.
//   - Where rules are about names, answers lose their keys for encrypted ClientHellos.
package names

import (
	"time"

	"ember.dev/net/internal/policy"
	"ember.dev/net/internal/record"
)

// Zone is where the VMs' names are, as DNS writes it.
const Zone = "ember.internal."

const (
	// ownTTL of the VMs' names: a VM may be another a moment later, s.
	ownTTL = 5
	// longestTTL of what a guest is told, s.
	longestTTL = 300
)

// Asker is the VM that a question comes from.
type Asker struct {
	Engine *policy.Engine
	Note   func(record.Flow)
}

// answered tells the policy what the guest will know.
func (a Asker) answered(name string, chain []string, found addresses) {
	if len(found.list) > 0 {
		a.Engine.Answered(name, chain, found.list, time.Duration(found.ttl)*time.Second)
	}
}

func (a Asker) note(name string, decision policy.Decision) {
	decision.Name = name
	a.Note(record.FlowOf("dns", policy.Question, decision, "", 0))
}
