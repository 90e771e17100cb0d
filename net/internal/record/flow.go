package record

import (
	"time"

	"ember.dev/net/internal/policy"
)

// Flow is what a VM reached, or was refused: flows that agree in all but count and times are one.
type Flow struct {
	Protocol string     `json:"protocol"` // tcp, udp, icmp, dns
	Name     string     `json:"name"`     // "" when none is known
	By       policy.How `json:"by"`
	Address  string     `json:"address"`
	Port     uint16     `json:"port"`
	Verdict  string     `json:"verdict"` // allowed, refused
	Rule     string     `json:"rule"`    // the text of the rule, "" for the default
	Count    uint64     `json:"count"`
	FirstAt  time.Time  `json:"firstAt"`
	LastAt   time.Time  `json:"lastAt"`
}
