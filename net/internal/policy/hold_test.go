package policy

import (
	"testing"
	"time"
)

type held struct {
	hold   *Hold
	closed []Decision
}

func hold(t *testing.T, e *Engine, protocol, destination, name string) *held {
	t.Helper()
	h := &held{}
	var decision Decision
	h.hold, decision = e.Hold(protocol, at(destination), name, func(d Decision) { h.closed = append(h.closed, d) })
	if h.hold == nil {
		t.Fatalf("%s %s %q: %v", protocol, destination, name, decision)
	}
	return h
}

func TestNewPolicyClosesWhatItDoesNotAllow(t *testing.T) {
	e := engine(t, ActionAllow)
	answer(e, "kept.example", "192.0.2.1")
	answer(e, "gone.example", "192.0.2.2")
	byName := hold(t, e, TCP, "192.0.2.1:443", "kept.example")
	byAnswer := hold(t, e, TCP, "192.0.2.1:22", "")
	byCIDR := hold(t, e, UDP, "10.0.0.1:53", "")
	goneName := hold(t, e, TCP, "192.0.2.1:443", "gone.example")
	goneAnswer := hold(t, e, TCP, "192.0.2.2:22", "")
	goneUDP := hold(t, e, UDP, "192.0.2.1:443", "")
	released := hold(t, e, TCP, "192.0.2.2:22", "")
	released.hold.Release()
	e.Replace(Policy{Default: ActionRefuse, Rules: []Rule{host(ActionAllow, "kept.example", 0), cidr(ActionAllow, "10.0.0.0/8", "udp", 53)}})
	for name, h := range map[string]*held{"by name": byName, "by answer": byAnswer, "by CIDR": byCIDR, "released": released} {
		if len(h.closed) != 0 {
			t.Errorf("%s: closed by %v", name, h.closed)
		}
	}
	for name, h := range map[string]*held{"by name": goneName, "by answer": goneAnswer, "UDP": goneUDP} {
		if len(h.closed) != 1 || h.closed[0].Verdict != Refuse {
			t.Errorf("%s: %v", name, h.closed)
		}
	}
	e.Replace(Policy{Default: ActionRefuse})
	if len(byName.closed) != 1 || len(goneName.closed) != 1 {
		t.Errorf("closed %d and %d times", len(byName.closed), len(goneName.closed))
	}
}

func TestConnectionOutlivesTheAnswerThatLetItBegin(t *testing.T) {
	policy := Policy{Default: ActionRefuse, Rules: []Rule{host(ActionAllow, "a.example", 0)}}
	e := New(policy)
	now := time.Unix(1e9, 0)
	e.answers.now = func() time.Time { return now }
	answer(e, "a.example", "192.0.2.1")
	named, unnamed := hold(t, e, TCP, "192.0.2.1:443", "a.example"), hold(t, e, TCP, "192.0.2.1:22", "")
	now = now.Add(48 * time.Hour)
	e.Replace(policy)
	if len(named.closed)+len(unnamed.closed) != 0 {
		t.Errorf("%v, %v", named.closed, unnamed.closed)
	}
}

func TestEveryNameOfAConnectionMustStayAllowed(t *testing.T) {
	e := engine(t, ActionAllow, host(ActionRefuse, "no.example", 0))
	h := hold(t, e, TCP, "192.0.2.1:80", "a.example")
	if got := h.hold.Named("no.example"); got.Verdict != Refuse {
		t.Errorf("%v", got)
	}
	if got := h.hold.Named("B.example"); got.Verdict != Allow {
		t.Errorf("%v", got)
	}
	e.Replace(Policy{Default: ActionAllow, Rules: []Rule{host(ActionRefuse, "b.example", 0)}})
	if len(h.closed) != 1 || h.closed[0].Name != "b.example" {
		t.Errorf("%v", h.closed)
	}
}

func TestHoldingSeesThePolicyOfThisMoment(t *testing.T) {
	e := engine(t, ActionAllow)
	e.Admit(TCP, at("192.0.2.1:22"))
	e.Replace(Policy{Default: ActionRefuse})
	hold, decision := e.Hold(TCP, at("192.0.2.1:22"), "", func(Decision) { t.Error("closed what was never held") })
	if hold != nil || decision.Verdict != Refuse {
		t.Errorf("%v", decision)
	}
}
