package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestAnswersHoldForTheirTTLAndAGrace(t *testing.T) {
	e := engine(t, ActionRefuse, host(ActionAllow, "a.example", 0))
	now := time.Unix(1e9, 0)
	e.answers.now = func() time.Time { return now }
	allowed := func() bool { return e.AdmitName(SNI, "a.example", at("192.0.2.1:443")).Verdict == Allow }
	e.Answered("a.example", nil, []netip.Addr{addr("192.0.2.1")}, time.Hour)
	for _, step := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {time.Hour, true}, {answerGrace - time.Second, true}, {time.Second, false}} {
		now = now.Add(step.after)
		if allowed() != step.want || (len(e.NamesOf(addr("192.0.2.1"))) == 1) != step.want {
			t.Errorf("after %s more: %v", step.after, !step.want)
		}
	}
	e.Answered("a.example", nil, []netip.Addr{addr("::ffff:192.0.2.1")}, 0)
	if !allowed() {
		t.Error("a TTL of nothing holds for no time at all")
	}
	e.Answered("a.example", nil, []netip.Addr{addr("192.0.2.1")}, 1e6*time.Hour)
	now = now.Add(maxTTL + answerGrace)
	if allowed() {
		t.Error("a TTL of a hundred years holds")
	}
}

func TestOnlyTheAskedNameIsPinned(t *testing.T) {
	e := engine(t, ActionRefuse, host(ActionAllow, "*.cdn.example", 0), host(ActionAllow, "www.shop.example", 0))
	e.Answered("www.shop.example", []string{"x.cdn.example"}, []netip.Addr{addr("192.0.2.1")}, time.Minute)
	if got := e.NamesOf(addr("192.0.2.1")); !slices.Equal(got, []string{"www.shop.example"}) {
		t.Errorf("%q", got)
	}
	if got := e.AdmitName(SNI, "x.cdn.example", at("192.0.2.1:443")); got.Verdict != Refuse || got.Reason != ReasonLie {
		t.Errorf("a name between: %v", got)
	}
}

func TestNewestNameComesFirst(t *testing.T) {
	e := New(Open())
	for _, name := range []string{"a.example", "b.example", "a.example", "1.2.3.4", "bad name"} {
		answer(e, name, "192.0.2.1")
	}
	if got := e.NamesOf(addr("192.0.2.1")); !slices.Equal(got, []string{"a.example", "b.example"}) {
		t.Errorf("%q", got)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	e := New(Open())
	for i := range maxPins + 100 {
		answer(e, fmt.Sprintf("n%d.example", i), fmt.Sprintf("10.%d.%d.1", i/250, i%250))
	}
	for i := range maxPinsPerAddress + 10 {
		answer(e, fmt.Sprintf("m%d.example", i), "192.0.2.1")
	}
	if got := e.answers.order.Len(); got != maxPins {
		t.Errorf("%d answers are kept", got)
	}
	if got := e.NamesOf(addr("192.0.2.1")); len(got) != maxPinsPerAddress || got[0] != fmt.Sprintf("m%d.example", maxPinsPerAddress+9) {
		t.Errorf("%d names, first %q", len(got), got[0])
	}
	if got := e.NamesOf(addr("10.0.0.1")); got != nil {
		t.Errorf("the oldest is still there: %q", got)
	}
	var many []netip.Addr
	for i := range 1000 {
		many = append(many, netip.AddrFrom4([4]byte{172, 16, byte(i / 256), byte(i)}))
	}
	e.Answered("many.example", nil, many, time.Minute)
	if e.NamesOf(many[maxAddresses-1]) == nil || e.NamesOf(many[maxAddresses]) != nil {
		t.Error("an answer's addresses are not bounded")
	}
}

func TestEngineServesManyAtOnce(t *testing.T) {
	e := engine(t, ActionRefuse, host(ActionAllow, "*.example", 0))
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 200 {
				name := fmt.Sprintf("n%d.example", i)
				destination := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(worker), byte(i)}), 443)
				e.Answered(name, nil, []netip.Addr{destination.Addr()}, time.Minute)
				hold, _ := e.Hold(TCP, destination, name, func(Decision) {})
				e.AdmitName(SNI, name, destination)
				e.Replace(Policy{Default: ActionRefuse, Rules: []Rule{host(ActionAllow, "*.example", 0)}})
				if hold != nil {
					hold.Release()
				}
			}
		})
	}
	all.Wait()
	if len(e.holds) != 0 {
		t.Errorf("%d connections are still held", len(e.holds))
	}
}
