package policy

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestAnswersOutliveTheEngineForAsLongAsTheyHold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "answers")
	rules := []Rule{host(ActionAllow, "a.example", 0), host(ActionRefuse, "bad.example", 0)}
	first := engine(t, ActionRefuse, rules...)
	now := time.Unix(1e9, 0)
	first.answers.now = func() time.Time { return now }
	first.Answered("a.example", []string{"bad.example"}, []netip.Addr{addr("192.0.2.1")}, time.Hour)
	first.Answered("a.example", nil, []netip.Addr{addr("192.0.2.2")}, time.Hour)
	first.Answered("b.example", nil, []netip.Addr{addr("192.0.2.2"), addr("2001:db8::1")}, 2*time.Hour)
	if err := first.SaveAnswers(path); err != nil {
		t.Fatal(err)
	}
	if facts, err := os.Stat(path); err != nil || facts.Mode() != 0o600 {
		t.Errorf("%v, %v", facts, err)
	}
	for after, want := range map[time.Duration][]string{0: {"b.example", "a.example"}, time.Hour + answerGrace: {"b.example"}} {
		second := engine(t, ActionRefuse, rules...)
		second.answers.now = func() time.Time { return now.Add(after) }
		if err := second.LoadAnswers(path); err != nil {
			t.Fatal(err)
		}
		if got := second.NamesOf(addr("192.0.2.2")); !slices.Equal(got, want) {
			t.Errorf("after %s: %q", after, got)
		}
		if got := second.AdmitName(SNI, "a.example", at("192.0.2.2:443")).Verdict == Allow; got != (after == 0) {
			t.Errorf("after %s: allowed is %v", after, got)
		}
		if second.AdmitName(SNI, "a.example", at("192.0.2.1:443")).Verdict == Allow {
			t.Error("a refused name between is forgotten")
		}
	}
}

func TestAnswersAreSavedOnlyWhenTheyAreOthersAndARuleNeedsThem(t *testing.T) {
	path := filepath.Join(t.TempDir(), "answers")
	isSaved := func(e *Engine) bool {
		t.Helper()
		os.Remove(path)
		if err := e.SaveAnswers(path); err != nil {
			t.Fatal(err)
		}
		_, err := os.Stat(path)
		return err == nil
	}
	e := New(Open())
	answer(e, "a.example", "192.0.2.1")
	if isSaved(e) {
		t.Error("saved without a rule about names")
	}
	e.Replace(Policy{Default: ActionRefuse, Rules: []Rule{host(ActionAllow, "a.example", 0)}})
	if !isSaved(e) || isSaved(e) {
		t.Error("not saved once")
	}
	answer(e, "b.example", "192.0.2.1")
	if err := e.SaveAnswers(filepath.Join(path, "nowhere")); err == nil {
		t.Error("no folder, and no error")
	}
	if !isSaved(e) {
		t.Error("not tried again")
	}
}

func TestAnswersThatNoEngineSavedAreNotLoaded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "answers")
	e := engine(t, ActionRefuse, host(ActionAllow, "a.example", 0))
	if err := e.LoadAnswers(path); err != nil {
		t.Errorf("no file: %v", err)
	}
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	later := time.Now().Add(1000 * time.Hour).UTC().Format(time.RFC3339)
	for text, isError := range map[string]bool{
		`nonsense`:                   true,
		`{"version":2,"answers":[]}`: true,
		`{"version":1,"answers":[{"name":"a.example","address":"no address","until":"` + until + `"}]}`:                       true,
		`{"version":1,"answers":[{"name":"A.example","address":"192.0.2.1","until":"` + until + `"}]}`:                        false,
		`{"version":1,"answers":[{"name":"a.example","address":"::ffff:192.0.2.1","until":"` + until + `"}]}`:                 false,
		`{"version":1,"answers":[{"name":"a.example","chain":["not a name"],"address":"192.0.2.1","until":"` + until + `"}]}`: false,
		`{"version":1,"answers":[{"name":"a.example","address":"192.0.2.1","until":"` + later + `"}]}`:                        false,
		`{"version":1,"answers":[{"name":"a.example","address":"","until":"` + until + `"}]}`:                                 false,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := e.LoadAnswers(path); (err != nil) != isError {
			t.Errorf("%s: %v", text, err)
		}
		if got := e.NamesOf(addr("192.0.2.1")); len(got) > 0 {
			t.Errorf("%s: %q", text, got)
		}
	}
}
