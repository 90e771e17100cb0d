package control

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ember.dev/guest/internal/identity"
)

// placed is what a machine's hosts file would say.
type placed struct {
	lists [][]string
	err   error
	busy  atomic.Bool
	mixed atomic.Bool // two wrote at once
}

func machineWithHosts() (*Machine, *placed) {
	p := &placed{}
	m := machine()
	m.PlaceSiblings = func(hosts []identity.Host) error {
		if !p.busy.CompareAndSwap(false, true) {
			p.mixed.Store(true)
		}
		defer p.busy.Store(false)
		time.Sleep(100 * time.Microsecond) // room for another
		var names []string
		for _, host := range hosts {
			names = append(names, host.Name+"="+host.Address.String())
		}
		if p.err == nil {
			p.lists = append(p.lists, names)
		}
		return p.err
	}
	return m, p
}

func (p *placed) String() string { return fmt.Sprint(p.lists) }

func setHostsLine(params string) string {
	return `{"id":1,"method":"set-hosts","params":` + params + "}\n"
}

const (
	hostA = `{"name":"a.ember.internal","address":"10.0.0.2"}`
	hostB = `{"name":"b.ember.internal","address":"10.0.0.6"}`
)

func applied(answer map[string]any) any {
	result, _ := answer["result"].(map[string]any)
	return result["applied"]
}

func TestTheLatestListHolds(t *testing.T) {
	m, p := machineWithHosts()
	a := ask(t, m, setHostsLine(`{"revision":5,"hosts":[`+hostA+`]}`)+setHostsLine(`{"revision":4,"hosts":[]}`)+
		setHostsLine(`{"revision":5,"hosts":[`+hostA+`]}`)+setHostsLine(`{"revision":6,"hosts":[]}`))
	if applied(a[0]) != true || applied(a[1]) != false || applied(a[2]) != true || applied(a[3]) != true {
		t.Errorf("%v", a)
	}
	if p.String() != "[[a.ember.internal=10.0.0.2] [a.ember.internal=10.0.0.2] []]" {
		t.Errorf("%v", p)
	}
}

func TestAListInPartsHoldsWhenItIsWhole(t *testing.T) {
	m, p := machineWithHosts()
	a := ask(t, m, setHostsLine(`{"revision":1,"hosts":[`+hostA+`],"more":true}`))
	if applied(a[0]) != false || len(p.lists) != 0 {
		t.Errorf("%v %v", a, p)
	}
	a = ask(t, m, setHostsLine(`{"revision":1,"hosts":[`+hostA+`],"more":true}`)+setHostsLine(`{"revision":1,"offset":1,"hosts":[`+hostB+`]}`))
	if applied(a[1]) != true || p.String() != "[[a.ember.internal=10.0.0.2 b.ember.internal=10.0.0.6]]" {
		t.Errorf("%v %v", a, p)
	}
}

func TestHalfAListNeverHolds(t *testing.T) {
	first := setHostsLine(`{"revision":1,"hosts":[` + hostA + `],"more":true}`)
	last := setHostsLine(`{"revision":1,"offset":1,"hosts":[` + hostB + `]}`)
	for name, input := range map[string]string{
		"first part missing":    last,
		"garbage between":       first + setHostsLine(`{"revision":1,"offset":1,"hosts":[{"name":"b"}],"more":true}`) + last,
		"another revision":      first + setHostsLine(`{"revision":2,"offset":1,"hosts":[]}`),
		"a part twice":          first + setHostsLine(`{"revision":1,"offset":1,"hosts":[`+hostB+`],"more":true}`) + last,
		"negative offset":       first + setHostsLine(`{"revision":1,"offset":-1,"hosts":[]}`),
		"after an applied list": first + last + last,
	} {
		m, p := machineWithHosts()
		a := ask(t, m, input)
		if code(a[len(a)-1]) != codeParams {
			t.Errorf("%s: %v", name, a)
		}
		for _, list := range p.lists {
			if len(list) != 2 {
				t.Errorf("%s: %v", name, p)
			}
		}
	}
}

func TestMalformedListsAreRefused(t *testing.T) {
	var huge []string
	for n := range 5000 {
		huge = append(huge, fmt.Sprintf(`{"name":"vm-%d.ember.internal","address":"10.0.0.2"}`, n))
	}
	part := strings.Join(huge, ",")
	var endless strings.Builder
	for offset := 0; offset <= maxHosts; offset += len(huge) {
		endless.WriteString(setHostsLine(fmt.Sprintf(`{"revision":1,"offset":%d,"hosts":[%s],"more":true}`, offset, part)))
	}
	for name, c := range map[string]struct{ input, code string }{
		"nothing":             {setHostsLine(`{}`), codeParams},
		"no params":           {`{"id":1,"method":"set-hosts"}` + "\n", codeParams},
		"null":                {setHostsLine(`{"revision":1,"hosts":null}`), codeParams},
		"no revision":         {setHostsLine(`{"hosts":[]}`), codeParams},
		"revision too large":  {setHostsLine(`{"revision":1e30,"hosts":[]}`), codeParams},
		"an object":           {setHostsLine(`{"revision":1,"hosts":{}}`), codeParams},
		"a newline":           {setHostsLine(`{"revision":1,"hosts":[{"name":"a\n1.1.1.1 evil","address":"10.0.0.2"}]}`), codeParams},
		"a space":             {setHostsLine(`{"revision":1,"hosts":[{"name":"a b","address":"10.0.0.2"}]}`), codeParams},
		"no address":          {setHostsLine(`{"revision":1,"hosts":[{"name":"a","address":""}]}`), codeParams},
		"IPv6 with a newline": {setHostsLine(`{"revision":1,"hosts":[{"name":"a","address":"fe80::1%x\n1.1.1.1 evil"}]}`), codeParams},
		"a mapped address":    {setHostsLine(`{"revision":1,"hosts":[{"name":"a","address":"::ffff:10.0.0.2"}]}`), codeParams},
		"an endless list":     {endless.String(), codeParams},
		"one long line":       {setHostsLine(`{"revision":1,"hosts":[` + strings.Repeat(part+",", 5) + hostA + `]}`), codeTooLong},
	} {
		m, p := machineWithHosts()
		a := ask(t, m, c.input+`{"id":2,"method":"ready"}`+"\n")
		if code(a[len(a)-2]) != c.code || a[len(a)-1]["result"] == nil || len(p.lists) != 0 {
			t.Errorf("%s: %.300v, placed %d", name, a, len(p.lists))
		}
	}
}

func TestAListThatCouldNotBePlacedMayComeAgain(t *testing.T) {
	m, p := machineWithHosts()
	p.err = errors.New("no space")
	if a := ask(t, m, setHostsLine(`{"revision":9,"hosts":[`+hostA+`]}`)); code(a[0]) != codeFailed {
		t.Errorf("%v", a)
	}
	p.err = nil
	if a := ask(t, m, setHostsLine(`{"revision":8,"hosts":[`+hostA+`]}`)); applied(a[0]) != true {
		t.Errorf("%v", a)
	}
}

func TestListsFromSeveralStreamsEndWithTheNewest(t *testing.T) {
	m, p := machineWithHosts()
	var streams sync.WaitGroup
	for n := 1; n <= 40; n++ {
		streams.Go(func() {
			host := fmt.Sprintf(`{"name":"r%d","address":"10.0.0.2"}`, n)
			ask(t, m, setHostsLine(fmt.Sprintf(`{"revision":%d,"hosts":[%s],"more":true}`, n, host))+
				setHostsLine(fmt.Sprintf(`{"revision":%d,"offset":1,"hosts":[]}`, n)))
		})
	}
	streams.Wait()
	if p.mixed.Load() {
		t.Error("two lists were placed at once")
	}
	if last := p.lists[len(p.lists)-1]; len(last) != 1 || last[0] != "r40=10.0.0.2" {
		t.Errorf("%v", last)
	}
}

func TestANewIdentityKeepsTheListUnlessItBringsOne(t *testing.T) {
	renamed := `{"id":2,"method":"new-identity","params":{"hostname":"b"}}` + "\n"
	m, p := machineWithHosts()
	m.Rename = func(NewIdentity) (func(), error) { return nil, nil }
	ask(t, m, renamed)
	if len(p.lists) != 0 {
		t.Errorf("%v", p)
	}
	ask(t, m, setHostsLine(`{"revision":5,"hosts":[`+hostA+`]}`)+renamed)
	if p.String() != "[[a.ember.internal=10.0.0.2] [a.ember.internal=10.0.0.2]]" {
		t.Errorf("%v", p)
	}
	a := ask(t, m, `{"id":2,"method":"new-identity","params":{"hosts":[]}}`+"\n"+setHostsLine(`{"revision":1,"hosts":[]}`))
	if len(p.lists) != 3 || applied(a[1]) != true {
		t.Errorf("%v %v", a, p)
	}
}
