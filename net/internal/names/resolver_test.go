package names

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"ember.dev/net/internal/policy"
	"ember.dev/net/internal/record"
)

// upstreamOf answers by records in the form of zone files; what it does not have is NXDOMAIN, or err when that is set.
type upstreamOf struct {
	records []string
	err     error
}

func (u upstreamOf) Ask(_ context.Context, question *dns.Msg) (*dns.Msg, error) {
	if u.err != nil {
		return nil, u.err
	}
	answer := new(dns.Msg).SetReply(question)
	asked := question.Question[0]
	name := asked.Name
	for _, text := range u.records {
		one, err := dns.NewRR(text)
		if err != nil {
			return nil, err
		}
		if !strings.EqualFold(one.Header().Name, name) || one.Header().Rrtype != asked.Qtype && one.Header().Rrtype != dns.TypeCNAME {
			continue
		}
		answer.Answer = append(answer.Answer, one)
		if alias, ok := one.(*dns.CNAME); ok {
			name = alias.Target
		}
	}
	if len(answer.Answer) == 0 {
		answer.Rcode = dns.RcodeNameError
	}
	return answer, nil
}

// asking is a VM with a policy, and what was noted of it.
type asking struct {
	Asker
	mu    sync.Mutex
	flows []record.Flow
}

func newAsking(rules ...policy.Rule) *asking {
	p := policy.Open()
	if len(rules) > 0 {
		p = policy.Policy{Default: policy.ActionRefuse, Rules: rules}
	}
	a := &asking{}
	a.Asker = Asker{Engine: policy.New(p), Note: func(flow record.Flow) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.flows = append(a.flows, flow)
	}}
	return a
}

func noProxy(string) bool { return false }

// ask returns the answer's code and records, without the type HTTPS's many spaces.
func ask(t *testing.T, r *Resolver, asker Asker, name string, kind uint16) (code int, records []string) {
	t.Helper()
	question, err := new(dns.Msg).SetQuestion(name, kind).Pack()
	if err != nil {
		t.Fatal(err)
	}
	answer := new(dns.Msg)
	if err := answer.Unpack(r.Answer(t.Context(), question, dns.MinMsgSize, asker)); err != nil {
		t.Fatal(err)
	}
	for _, one := range answer.Answer {
		records = append(records, strings.Join(strings.Fields(one.String()), " "))
	}
	return answer.Rcode, records
}

func TestVMsHaveNamesAndTheirAddressesToo(t *testing.T) {
	r := New(upstreamOf{}, NewPool(), noProxy)
	r.Add("web", netip.MustParseAddr("10.100.0.3"), netip.MustParseAddr("fd00::3"))
	asker := newAsking(policy.Rule{Action: policy.ActionAllow, Host: "other.example", Text: "-"}).Asker
	for question, want := range map[string]string{
		"A web.ember.internal.":        "web.ember.internal. 5 IN A 10.100.0.3",
		"A WEB.Ember.Internal.":        "WEB.Ember.Internal. 5 IN A 10.100.0.3",
		"AAAA web.ember.internal.":     "web.ember.internal. 5 IN AAAA fd00::3",
		"MX web.ember.internal.":       "",
		"PTR 3.0.100.10.in-addr.arpa.": "3.0.100.10.in-addr.arpa. 5 IN PTR web.ember.internal.",
		"A ember.internal.":            "",
	} {
		kind, name, _ := strings.Cut(question, " ")
		code, records := ask(t, r, asker, name, dns.StringToType[kind])
		if code != dns.RcodeSuccess || strings.Join(records, "; ") != want {
			t.Errorf("%s: %s %q", question, dns.RcodeToString[code], records)
		}
	}
	r.Remove("web")
	for _, name := range []string{"web.ember.internal.", "nobody.ember.internal."} {
		if code, _ := ask(t, r, asker, name, dns.TypeA); code != dns.RcodeNameError {
			t.Errorf("%s: %s", name, dns.RcodeToString[code])
		}
	}
}

func TestAnswersAreSettledAndPinned(t *testing.T) {
	r := New(upstreamOf{records: []string{
		"www.example. 86400 IN CNAME edge.example.",
		"edge.example. 20 IN A 192.0.2.7",
		"slow.example. 86400 IN A 192.0.2.8",
		"keys.example. 60 IN HTTPS 1 . alpn=h2 ipv4hint=192.0.2.9 ech=AEX+DQBBAAAgACA=",
	}}, NewPool(), noProxy)
	asker := newAsking(policy.Rule{Action: policy.ActionAllow, Host: "*.example", Text: "--allow-host *.example"})
	_, records := ask(t, r, asker.Asker, "www.example.", dns.TypeA)
	if strings.Join(records, "; ") != "www.example. 300 IN CNAME edge.example.; edge.example. 20 IN A 192.0.2.7" {
		t.Errorf("%q", records)
	}
	if _, records = ask(t, r, asker.Asker, "slow.example.", dns.TypeA); strings.Join(records, "") != "slow.example. 300 IN A 192.0.2.8" {
		t.Errorf("%q", records)
	}
	_, records = ask(t, r, asker.Asker, "keys.example.", dns.TypeHTTPS)
	if len(records) != 1 || strings.Contains(records[0], "ech") || !strings.Contains(records[0], "ipv4hint") {
		t.Errorf("%q", records)
	}
	for address, name := range map[string]string{"192.0.2.7": "www.example", "192.0.2.8": "slow.example", "192.0.2.9": "keys.example"} {
		if names := asker.Engine.NamesOf(netip.MustParseAddr(address)); len(names) == 0 || names[0] != name {
			t.Errorf("%s is %q", address, names)
		}
	}
	_, records = ask(t, r, newAsking().Asker, "keys.example.", dns.TypeHTTPS)
	if len(records) != 1 || !strings.Contains(records[0], "ech") {
		t.Errorf("without rules about names: %q", records)
	}
}

func TestQuestionsForNamesThatNoRuleCouldAllowAreRefusedAndNoted(t *testing.T) {
	r := New(upstreamOf{err: errors.New("nobody is asked")}, NewPool(), noProxy)
	asker := newAsking(policy.Rule{Action: policy.ActionAllow, Host: "good.example", Text: "--allow-host good.example"})
	if code, _ := ask(t, r, asker.Asker, "bad.example.", dns.TypeA); code != dns.RcodeRefused {
		t.Errorf("%s", dns.RcodeToString[code])
	}
	if code, _ := ask(t, r, asker.Asker, "good.example.", dns.TypeA); code != dns.RcodeServerFailure {
		t.Errorf("%s", dns.RcodeToString[code])
	}
	if len(asker.flows) < 1 || asker.flows[0].Name != "bad.example" || asker.flows[0].Verdict != "refused" {
		t.Errorf("%+v", asker.flows)
	}
}

func TestNamesThatOnlyAProxyKnowsHaveAddressesOfThePool(t *testing.T) {
	pool := NewPool()
	isolated := New(upstreamOf{}, pool, func(name string) bool { return name != "direct.example" })
	asker := newAsking().Asker
	_, records := ask(t, isolated, asker, "api.example.", dns.TypeA)
	if len(records) != 1 || !strings.HasPrefix(records[0], "api.example. 30 IN A 198.18.0.") {
		t.Fatalf("%q", records)
	}
	address := netip.MustParseAddr(records[0][strings.LastIndex(records[0], " ")+1:])
	if name, ok := pool.NameOf(address); !ok || name != "api.example" {
		t.Errorf("%s is %q", address, name)
	}
	if _, again := ask(t, isolated, asker, "API.example.", dns.TypeA); len(again) != 1 || !strings.HasSuffix(again[0], address.String()) {
		t.Errorf("asked again: %q", again)
	}
	if code, records := ask(t, isolated, asker, "api.example.", dns.TypeAAAA); code != dns.RcodeSuccess || len(records) > 0 {
		t.Errorf("AAAA: %d %q", code, records)
	}
	for _, name := range []string{"direct.example.", "host."} {
		if code, _ := ask(t, isolated, asker, name, dns.TypeA); code != dns.RcodeNameError {
			t.Errorf("%s: %s", name, dns.RcodeToString[code])
		}
	}
	connected := New(upstreamOf{records: []string{". 60 IN NS a.root-servers.net."}}, pool, func(string) bool { return true })
	if code, _ := ask(t, connected, asker, "nobody.example.", dns.TypeA); code != dns.RcodeNameError {
		t.Errorf("where the outside is known, a name that nobody has: %s", dns.RcodeToString[code])
	}
}

func TestMessagesThatAreNoQuestionsGetNoAnswerOrSayWhy(t *testing.T) {
	r := New(upstreamOf{records: []string{"a.example. 60 IN A 192.0.2.1"}}, NewPool(), noProxy)
	asker := newAsking().Asker
	question := new(dns.Msg).SetQuestion("a.example.", dns.TypeA)
	good, err := question.Pack()
	if err != nil {
		t.Fatal(err)
	}
	changed := func(change func(m *dns.Msg)) []byte {
		message := question.Copy()
		change(message)
		packed, err := message.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return packed
	}
	for name, one := range map[string]struct {
		message []byte
		code    int // -1: no answer
	}{
		"nothing":       {nil, -1},
		"half a header": {good[:6], -1},
		"a header":      {good[:12], dns.RcodeFormatError},
		"half a name":   {good[:16], dns.RcodeFormatError},
		"an answer":     {changed(func(m *dns.Msg) { m.Response = true }), -1},
		"no question":   {changed(func(m *dns.Msg) { m.Question = nil }), dns.RcodeFormatError},
		"two questions": {changed(func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }), dns.RcodeFormatError},
		"an update":     {changed(func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate }), dns.RcodeNotImplemented},
		"a transfer":    {changed(func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAXFR }), dns.RcodeRefused},
		"another class": {changed(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }), dns.RcodeRefused},
		"a question":    {good, dns.RcodeSuccess},
	} {
		packed := r.Answer(t.Context(), one.message, dns.MinMsgSize, asker)
		if one.code < 0 {
			if packed != nil {
				t.Errorf("%s is answered by %x", name, packed)
			}
			continue
		}
		answer := new(dns.Msg)
		if err := answer.Unpack(packed); err != nil || answer.Rcode != one.code || !answer.Response || answer.Id != question.Id {
			t.Errorf("%s: %v, %v", name, answer, err)
		}
	}
}

// FuzzAnswer: whatever a guest sends to the resolver, what it gets back is a message of the length it has room for.
func FuzzAnswer(f *testing.F) {
	r := New(upstreamOf{records: []string{"a.example. 60 IN A 192.0.2.1"}}, NewPool(), noProxy)
	r.Add("web", netip.MustParseAddr("10.100.0.3"))
	asker := newAsking(policy.Rule{Action: policy.ActionAllow, Host: "a.example", Text: "-"}).Asker
	for _, name := range []string{"a.example.", "web.ember.internal.", "b.example."} {
		question, err := new(dns.Msg).SetQuestion(name, dns.TypeA).SetEdns0(1232, true).Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(question)
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		answer := r.Answer(context.Background(), message, dns.MinMsgSize, asker)
		if answer != nil && (len(answer) < 12 || len(answer) > dns.MaxMsgSize || answer[2]&0x80 == 0) {
			t.Errorf("%x is answered by %x", message, answer)
		}
	})
}
