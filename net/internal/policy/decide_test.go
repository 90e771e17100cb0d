package policy

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func addr(text string) netip.Addr   { return netip.MustParseAddr(text) }
func at(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }
func answer(e *Engine, name string, addresses ...string) {
	var parsed []netip.Addr
	for _, address := range addresses {
		parsed = append(parsed, addr(address))
	}
	e.Answered(name, nil, parsed, time.Minute)
}

func host(action Action, pattern string, port uint16) Rule {
	return Rule{Action: action, Host: pattern, Port: port, Text: fmt.Sprintf("%s %s:%d", action, pattern, port)}
}

func cidr(action Action, prefix, protocol string, port uint16) Rule {
	text := fmt.Sprintf("%s %s:%d%s", action, prefix, port, protocol)
	return Rule{Action: action, CIDR: netip.MustParsePrefix(prefix), Port: port, Protocol: protocol, Text: text}
}

func engine(t *testing.T, by Action, rules ...Rule) *Engine {
	t.Helper()
	policy := Policy{Default: by, Rules: rules}
	if err := policy.Validate(); err != nil {
		t.Fatal(err)
	}
	return New(policy)
}

func (v Verdict) String() string { return [...]string{"refuse", "allow", "inspect"}[v] }

func TestAddressesDecide(t *testing.T) {
	e := engine(t, ActionRefuse,
		cidr(ActionAllow, "10.0.0.0/8", "", 0), cidr(ActionRefuse, "10.9.0.0/16", "", 0), cidr(ActionAllow, "10.9.9.9/32", "", 0),
		cidr(ActionAllow, "192.0.2.0/24", "udp", 53), cidr(ActionAllow, "192.0.2.0/24", "", 443),
		cidr(ActionAllow, "2001:db8::/32", "tcp", 0), cidr(ActionRefuse, "10.0.0.0/8", "tcp", 25))
	for _, test := range []struct {
		protocol, destination string
		want                  Verdict
		rule                  string
	}{
		{TCP, "10.1.1.1:22", Allow, "allow 10.0.0.0/8:0"},
		{TCP, "[::ffff:10.1.1.1]:22", Allow, "allow 10.0.0.0/8:0"},
		{UDP, "10.1.1.1:22", Allow, "allow 10.0.0.0/8:0"},
		{ICMP, "10.1.1.1:0", Allow, "allow 10.0.0.0/8:0"},
		{TCP, "10.1.1.1:25", Refuse, "refuse 10.0.0.0/8:25tcp"},
		{UDP, "10.1.1.1:25", Allow, "allow 10.0.0.0/8:0"},
		{TCP, "10.9.9.9:22", Refuse, "refuse 10.9.0.0/16:0"}, // refusing wins, however specific the other
		{ICMP, "10.9.0.1:0", Refuse, "refuse 10.9.0.0/16:0"},
		{UDP, "192.0.2.1:53", Allow, "allow 192.0.2.0/24:53udp"},
		{TCP, "192.0.2.1:53", Refuse, ""},
		{UDP, "192.0.2.1:443", Allow, "allow 192.0.2.0/24:443"},
		{ICMP, "192.0.2.1:0", Refuse, ""}, // the rule is for a port
		{TCP, "[2001:db8::1]:1", Allow, "allow 2001:db8::/32:0tcp"},
		{UDP, "[2001:db8::1]:1", Refuse, ""},
		{TCP, "198.51.100.1:443", Refuse, ""},
		{TCP, "198.51.100.1:80", Inspect, ""}, // refused as well, once the request is there to be answered
	} {
		got := e.Admit(test.protocol, at(test.destination))
		if got.Verdict != test.want || got.Rule != test.rule {
			t.Errorf("%s %s: %v, want %v by %q", test.protocol, test.destination, got, test.want, test.rule)
		}
	}
	if got := e.AdmitName(Host, "a.example", at("198.51.100.1:80")); got.Verdict != Refuse || got.RuleText() != "--egress none" {
		t.Errorf("HTTP where nothing allows it: %v", got)
	}
}

func TestNamesAllowOnlyTheAddressesThatWereAnswered(t *testing.T) {
	e := engine(t, ActionRefuse, host(ActionAllow, "api.example", 443), host(ActionAllow, "*.npm.example", 0),
		host(ActionRefuse, "bad.npm.example", 0))
	answer(e, "API.example.", "192.0.2.1", "2001:db8::1")
	answer(e, "deep.er.npm.example", "192.0.2.2")
	answer(e, "npm.example", "192.0.2.3")
	answer(e, "bad.npm.example", "192.0.2.4")
	answer(e, "other.example", "192.0.2.5")
	for _, test := range []struct {
		how               How
		name, destination string
		want              Verdict
		reason            string
	}{
		{SNI, "api.example", "192.0.2.1:443", Allow, ""},
		{SNI, "Api.Example.", "[2001:db8::1]:443", Allow, ""},
		{SNI, "api.example", "192.0.2.1:8443", Refuse, ReasonNoRule},
		{SNI, "api.example", "192.0.2.5:443", Refuse, ReasonLie},
		{SNI, "other.example", "192.0.2.1:443", Refuse, ReasonNoRule},
		{Host, "deep.er.npm.example", "192.0.2.2:80", Allow, ""},
		{Host, "x.npm.example", "192.0.2.2:80", Refuse, ReasonLie},
		{Host, "npm.example", "192.0.2.3:80", Refuse, ReasonNoRule}, // not below itself
		{Host, "xnpm.example", "192.0.2.2:80", Refuse, ReasonNoRule},
		{SNI, "bad.npm.example", "192.0.2.4:443", Refuse, ReasonRule},
		{SNI, "deep.er.npm.example", "192.0.2.4:443", Refuse, ReasonRule}, // a lie about an address that is refused
		{SNI, "192.0.2.2", "192.0.2.2:443", Refuse, ReasonBadName},
		{Answer, "", "192.0.2.2:22", Allow, ""},
		{Answer, "", "192.0.2.4:22", Refuse, ReasonRule},
		{Answer, "", "192.0.2.5:22", Refuse, ReasonNoRule},
		{Answer, "", "192.0.2.1:22", Refuse, ReasonNoRule},
	} {
		got := e.AdmitName(test.how, test.name, at(test.destination))
		if got.Verdict != test.want || got.Reason != test.reason {
			t.Errorf("%s %s at %s: %v, want %v, %q", test.how, test.name, test.destination, got, test.want, test.reason)
		}
	}
}

func TestDenyingAName(t *testing.T) {
	e := engine(t, ActionAllow, host(ActionRefuse, "*.evil.example", 0))
	answer(e, "a.evil.example", "192.0.2.1")
	answer(e, "good.example", "192.0.2.1")
	e.Answered("alias.example", []string{"b.evil.example."}, []netip.Addr{addr("192.0.2.2")}, time.Minute)
	for _, test := range []struct {
		name string
		got  Decision
		want Verdict
	}{
		{"TCP is looked at, whatever the address", e.Admit(TCP, at("198.51.100.1:22")), Inspect},
		{"the name", e.AdmitName(SNI, "x.evil.example", at("198.51.100.1:443")), Refuse},
		{"another name of the same address", e.AdmitName(SNI, "good.example", at("192.0.2.1:443")), Allow},
		{"a name that the address was not answered for", e.AdmitName(SNI, "lie.example", at("192.0.2.1:443")), Refuse},
		{"no name, at its address", e.AdmitName(Answer, "", at("192.0.2.1:22")), Refuse},
		{"no name, elsewhere", e.AdmitName(Answer, "", at("198.51.100.1:22")), Allow},
		{"a name that is an alias of it", e.AdmitName(SNI, "alias.example", at("192.0.2.2:443")), Refuse},
		{"UDP to its address", e.Admit(UDP, at("192.0.2.1:53")), Refuse},
		{"ICMP to its address", e.Admit(ICMP, at("192.0.2.1:0")), Refuse},
		{"UDP elsewhere", e.Admit(UDP, at("198.51.100.1:53")), Allow},
		{"QUIC, which hides names", e.Admit(UDP, at("198.51.100.1:443")), Refuse},
		{"the question", e.MayAsk("x.evil.example"), Allow}, // so that the refusal can be told in HTTP
	} {
		if test.got.Verdict != test.want {
			t.Errorf("%s: %v, want %v", test.name, test.got, test.want)
		}
	}
}

func TestHostRulesAllowNoUDP(t *testing.T) {
	e := engine(t, ActionRefuse, host(ActionAllow, "a.example", 0))
	answer(e, "a.example", "192.0.2.1")
	if got := e.Admit(TCP, at("192.0.2.1:443")); got.Verdict != Inspect {
		t.Errorf("TCP: %v", got)
	}
	for _, protocol := range []string{UDP, ICMP} {
		if got := e.Admit(protocol, at("192.0.2.1:443")); got.Verdict != Refuse {
			t.Errorf("%s: %v", protocol, got)
		}
	}
}

func TestQuestionsAreForNamesThatARuleCouldAllow(t *testing.T) {
	e := engine(t, ActionRefuse, host(ActionAllow, "*.a.example", 443), host(ActionRefuse, "no.a.example", 0),
		host(ActionRefuse, "port.a.example", 25), cidr(ActionAllow, "10.0.0.0/8", "", 0))
	for name, want := range map[string]Verdict{
		"x.a.example": Allow, "X.A.example.": Allow, "port.a.example": Allow, "no.a.example": Refuse, "a.example": Refuse,
		"secret.evil.example": Refuse, "1.0.0.10.in-addr.arpa": Refuse, "": Refuse,
	} {
		if got := e.MayAsk(name); got.Verdict != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
	if got := engine(t, ActionRefuse, cidr(ActionAllow, "::/0", "tcp", 443)).MayAsk("any.example"); got.Verdict != Allow {
		t.Errorf("where a rule is for all addresses: %v", got)
	}
}

func TestDecisionsAllocateNothingWithThousandsOfRules(t *testing.T) {
	rules := []Rule{}
	for i := range 3000 {
		rules = append(rules, host(ActionAllow, fmt.Sprintf("*.h%d.example", i), 443), host(ActionRefuse, fmt.Sprintf("r%d.example", i), 0),
			cidr(ActionAllow, fmt.Sprintf("10.%d.%d.0/24", i/256, i%256), "", 0))
	}
	e := engine(t, ActionRefuse, rules...)
	answer(e, "www.h2999.example", "192.0.2.1")
	for name, decide := range map[string]func() Verdict{
		"address":  func() Verdict { return e.Admit(UDP, at4).Verdict },
		"inspect":  func() Verdict { return e.Admit(TCP, atName).Verdict },
		"SNI":      func() Verdict { return e.AdmitName(SNI, "www.h2999.example", atName).Verdict },
		"answer":   func() Verdict { return e.AdmitName(Answer, "", atName).Verdict },
		"question": func() Verdict { return e.MayAsk("www.h2999.example").Verdict },
	} {
		if decide() == Refuse {
			t.Errorf("%s: refused", name)
		}
		if count := testing.AllocsPerRun(100, func() { decide() }); count != 0 {
			t.Errorf("%s: %v allocations", name, count)
		}
	}
}

var at4, atName = at("10.3.7.7:53"), at("192.0.2.1:443")

func BenchmarkAdmitName(b *testing.B) {
	rules := []Rule{}
	for i := range 5000 {
		rules = append(rules, host(ActionAllow, fmt.Sprintf("*.h%d.example", i), 443))
	}
	e := New(Policy{Default: ActionRefuse, Rules: rules})
	answer(e, "www.h2999.example", "192.0.2.1")
	for b.Loop() {
		e.AdmitName(SNI, "www.h2999.example", atName)
	}
}
