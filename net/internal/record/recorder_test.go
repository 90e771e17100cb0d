package record

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ember.dev/net/internal/policy"
)

func reached(name, address string, port uint16) Flow {
	return Flow{Protocol: "tcp", Name: name, By: policy.SNI, Address: address, Port: port, Verdict: allowed}
}

func TestFlowsThatAgreeAreCountedAsOne(t *testing.T) {
	r := New()
	now := time.Unix(1_000_000, 0)
	r.now = func() time.Time { return now }
	r.Note(reached("a.example", "192.0.2.1", 443))
	now = now.Add(time.Hour)
	r.Note(reached("A.example.", "192.0.2.1", 443))
	refusal := reached("a.example", "192.0.2.1", 443)
	refusal.Verdict, refusal.Rule = refused, "--deny-host a.example"
	r.Note(refusal)
	flows := r.Flows()
	if len(flows) != 2 || flows[0].Count != 2 || flows[0].LastAt.Sub(flows[0].FirstAt) != time.Hour || flows[1].Verdict != refused {
		t.Errorf("%+v", flows)
	}
	if got := r.Counters(); got != (Counters{Allowed: 2, Refused: 1}) {
		t.Errorf("%+v", got)
	}
	r.Forget()
	if len(r.Flows()) != 0 || r.Counters() != (Counters{}) {
		t.Error("something is remembered")
	}
}

func TestRecordIsBounded(t *testing.T) {
	r := New()
	const extra = 1000
	for i := range maxFlows + extra {
		r.Note(reached(fmt.Sprintf("n%d.example", i), "192.0.2.1", 443))
	}
	flows := r.Flows()
	if len(flows) != maxFlows+1 {
		t.Fatalf("%d flows", len(flows))
	}
	for _, flow := range flows {
		if flow.Name == "" && (flow.Count != extra || flow.Port != 443 || flow.Address != "") {
			t.Errorf("those beyond: %+v", flow)
		}
	}
	for i := range maxCoarse + 9 {
		r.Note(reached("x.example", "192.0.2.1", uint16(1000+i)))
	}
	if len(r.Flows()) != maxFlows+maxCoarse || r.Counters().Dropped != 10 || r.Counters().Allowed != maxFlows+extra+maxCoarse+9 {
		t.Errorf("%d flows, %+v", len(r.Flows()), r.Counters())
	}
}

func TestWhatGuestsSayInPlaceOfNamesIsNotRecorded(t *testing.T) {
	r := New()
	r.Note(reached("Bearer s3cret\r\n", "192.0.2.1", 443))
	r.Note(reached(strings.Repeat("a", 10_000), "192.0.2.1", 443))
	if flows := r.Flows(); len(flows) != 1 || flows[0].Name != "" {
		t.Errorf("%+v", flows)
	}
}

func TestRecordIsSavedWholeForItsOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flows.json")
	r := New()
	if err := r.Load(path); err != nil {
		t.Fatal(err)
	}
	if err := r.Save(path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Error("a record that did not change is written")
	}
	r.Note(reached("a.example", "192.0.2.1", 443))
	r.Note(reached("", "192.0.2.1", 22))
	if err := r.Save(path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if names, _ := os.ReadDir(filepath.Dir(path)); len(names) != 1 {
		t.Errorf("beside it is %v", names)
	}
	again := New()
	again.Note(reached("a.example", "192.0.2.1", 443)) // before it is loaded
	if err := again.Load(path); err != nil {
		t.Fatal(err)
	}
	if flows := again.Flows(); len(flows) != 2 || again.Counters().Allowed != 3 {
		t.Errorf("%+v, %+v", flows, again.Counters())
	}
}

func TestRecordThatCannotBeReadChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flows.json")
	for _, content := range []string{"", "{", `{"version":2,"flows":[]}`, `{"version":1,"flows":[{"protocol":7}]}`, `{"version":1,"else":1}`} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		r := New()
		if err := r.Load(path); err == nil || len(r.Flows()) != 0 {
			t.Errorf("%q: %v", content, err)
		}
		r.Note(reached("a.example", "192.0.2.1", 443))
		if err := r.Save(path); err != nil {
			t.Errorf("%q: %v", content, err)
		}
	}
}

func TestSavingIsTriedAgain(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "later")
	path := filepath.Join(folder, "flows.json")
	r := New()
	r.Note(reached("a.example", "192.0.2.1", 443))
	if err := r.Save(path); err == nil {
		t.Fatal("saved into no folder")
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := r.Save(path); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestFlowOfADecision(t *testing.T) {
	got := FlowOf("tcp", policy.SNI, policy.Decision{Verdict: policy.Allow, Rule: "r", Name: "a.example"}, "192.0.2.1", 443)
	if got.Verdict != allowed || got.By != policy.SNI || got.Name != "a.example" || got.Rule != "r" {
		t.Errorf("%+v", got)
	}
	got = FlowOf("udp", policy.Answer, policy.Decision{Verdict: policy.Refuse}, "192.0.2.1", 53)
	if got.Verdict != refused || got.By != policy.Address {
		t.Errorf("%+v", got)
	}
}
