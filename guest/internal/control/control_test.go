package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"ember.dev/guest/internal/disk"
	"ember.dev/guest/internal/entrypoint"
)

type stream struct {
	io.Reader
	io.Writer
}

func ask(t *testing.T, m *Machine, input string) []map[string]any {
	t.Helper()
	var out bytes.Buffer
	m.Serve(stream{strings.NewReader(input), &out})
	var answers []map[string]any
	for line := range strings.SplitSeq(strings.TrimSpace(out.String()), "\n") {
		var answer map[string]any
		if err := json.Unmarshal([]byte(line), &answer); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		answers = append(answers, answer)
	}
	return answers
}

func machine() *Machine {
	return &Machine{VMID: "abc", Mode: "none", BootMs: 12, Entrypoint: &entrypoint.Entrypoint{}, Freezer: disk.NewFreezer()}
}

func code(answer map[string]any) string {
	failure, _ := answer["error"].(map[string]any)
	text, _ := failure["code"].(string)
	return text
}

func TestReadyNamesTheMachine(t *testing.T) {
	a := ask(t, machine(), `{"id":7,"method":"ready"}`+"\n")
	result, _ := a[0]["result"].(map[string]any)
	if a[0]["id"] != 7.0 || result["vmId"] != "abc" || result["mode"] != "none" || result["bootMs"] != 12.0 || result["agentVersion"] == "" {
		t.Errorf("%v", a)
	}
}

func TestThawTellsWhenNothingWasHeldBack(t *testing.T) {
	a := ask(t, machine(), `{"id":1,"method":"thaw"}`+"\n")
	result, _ := a[0]["result"].(map[string]any)
	if result["held"] != false || result["frozenMs"] != 0.0 {
		t.Errorf("%v", a)
	}
}

func TestInfoAndMetricsAnswer(t *testing.T) {
	a := ask(t, machine(), `{"id":1,"method":"info"}`+"\n"+`{"id":2,"method":"metrics","params":{}}`)
	info, _ := a[0]["result"].(map[string]any)
	process, _ := info["process"].(map[string]any)
	if info["kernel"] == "" || process["state"] != "none" {
		t.Errorf("%v", a[0])
	}
	metrics, _ := a[1]["result"].(map[string]any)
	memory, _ := metrics["memory"].(map[string]any)
	if total, _ := memory["totalBytes"].(float64); total < 1<<20 {
		t.Errorf("%v", a[1])
	}
}

func TestMalformedInputIsAnsweredAndTheNextLineWorks(t *testing.T) {
	long := `{"id":1,"method":"` + strings.Repeat("x", maxLine) + `"}`
	cases := []struct{ line, code string }{
		{"garbage", codeMalformed}, {"[]", codeMalformed}, {`"x"`, codeMalformed}, {`{"id":1`, codeMalformed},
		{`{"id":1}`, codeUnknown}, {`{"id":1,"method":"no"}`, codeUnknown}, {`{"method":5}`, codeMalformed},
		{`null`, codeUnknown}, {long, codeTooLong}, {strings.Repeat("[", 200_000), codeMalformed},
		{`{"id":1,"method":"ready","params":[]}`, codeParams}, {`{"id":1,"method":"set-clock","params":{"timeMs":"x"}}`, codeParams},
		{`{"id":1,"method":"set-clock","params":{"timeMs":-5}}`, codeParams},
		{`{"id":1,"method":"freeze","params":{"timeoutMs":-1}}`, codeParams},
		{`{"id":1,"method":"trim","params":{"timeoutMs":-1}}`, codeParams},
		{`{"id":1,"method":"grow","params":{"deviceBytes":-1}}`, codeParams},
		{`{"id":1,"method":"shutdown","params":{"timeoutMs":1e99}}`, codeParams},
		{`{"id":1,"method":"new-identity","params":{"hostname":"a\nb"}}`, codeParams},
		{`{"id":1,"method":"new-identity","params":{"machineId":"../x"}}`, codeParams},
	}
	for _, c := range cases {
		a := ask(t, machine(), c.line+"\n\n"+`{"id":2,"method":"ready"}`+"\n")
		if len(a) != 2 || code(a[0]) != c.code || a[1]["result"] == nil {
			t.Errorf("%.60s: %.200v", c.line, a)
		}
	}
}

func TestShutdownAnswersFirst(t *testing.T) {
	m := machine()
	called := make(chan struct{}, 1)
	m.Shutdown = func(timeout time.Duration, reboot bool) {
		if timeout == 1500*time.Millisecond && reboot {
			called <- struct{}{}
		}
	}
	a := ask(t, m, `{"id":1,"method":"shutdown","params":{"timeoutMs":1500,"reboot":true}}`+"\n")
	if a[0]["result"] == nil {
		t.Errorf("%v", a)
	}
	select {
	case <-called:
	case <-time.After(5 * time.Second):
		t.Error("not called as asked")
	}
}

func TestNewIdentityReportsFailureAndKeepsTheName(t *testing.T) {
	m := machine()
	m.Rename = func(NewIdentity) (func(), error) { return nil, errors.New("no such interface") }
	a := ask(t, m, `{"id":1,"method":"new-identity","params":{"vmId":"new","hostname":"b"}}`+"\n"+`{"id":2,"method":"ready"}`)
	result, _ := a[1]["result"].(map[string]any)
	if code(a[0]) != codeFailed || result["vmId"] != "abc" {
		t.Errorf("%v", a)
	}
}
