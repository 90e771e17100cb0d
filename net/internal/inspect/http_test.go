package inspect

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"ember.dev/net/internal/policy"
)

const get = "GET / HTTP/1.1\r\nHost: good.example\r\n\r\n"

func TestRequestsForAllowedHostsPassUnchanged(t *testing.T) {
	for name, text := range map[string]string{
		"one":                    get,
		"a name in upper case":   "GET / HTTP/1.1\r\nhOST:  Good.EXAMPLE.:80 \r\n\r\n",
		"several":                get + "HEAD /x HTTP/1.1\r\nHost: also.example\r\n\r\n" + get,
		"an absolute target":     "GET http://GOOD.example:80/x?y HTTP/1.1\r\nHost: good.example:80\r\n\r\n",
		"OPTIONS *":              "OPTIONS * HTTP/1.1\r\nHost: good.example\r\n\r\n",
		"a body with a length":   "POST / HTTP/1.1\r\nHost: good.example\r\nContent-Length: 5\r\n\r\nGET /" + get,
		"a chunked body":         "POST / HTTP/1.1\r\nHost: good.example\r\nTransfer-Encoding: Chunked\r\n\r\n5;a=b\r\nhello\r\n00\r\nX: y\r\n\r\n" + get,
		"empty lines before":     "\r\n" + get + "\r\n" + get,
		"HTTP/1.0 with a Host":   "GET / HTTP/1.0\r\nHost: good.example\r\n\r\n",
		"HTTP/1.0 without":       "GET / HTTP/1.0\r\n\r\n",
		"the address as a name":  "GET / HTTP/1.1\r\nHost: 192.0.2.1:80\r\n\r\n",
		"a method of its own":    "M-SEARCH / HTTP/1.1\r\nHost: good.example\r\n\r\n",
		"an end within a method": "GE",
	} {
		engine := allowing(t, "good.example", "also.example")
		if strings.Contains(name, "address") || strings.Contains(name, "without") || strings.Contains(name, "within") {
			engine.Replace(policy.Policy{Default: policy.ActionRefuse, Rules: []policy.Rule{{Action: policy.ActionAllow, Host: "good.example", Text: "r"}}})
		}
		got := play(engine, good, []byte(text))
		if got.toServer != text || got.reset || got.toGuest != "" || got.dialled == "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestRequestsForOthersAreAnsweredWithTheRule(t *testing.T) {
	for name, test := range map[string]struct{ text, passes, rule, reason string }{
		"another host":             {"GET / HTTP/1.1\r\nHost: bad.example\r\n\r\n", "", "--egress none", "no rule allows it"},
		"a host not asked for":     {"GET / HTTP/1.1\r\nHost: unasked.example\r\n\r\n", "", "--egress none", "did not give this address"},
		"another address":          {"GET / HTTP/1.1\r\nHost: 192.0.2.9\r\n\r\n", "", "--egress none", "not the name of a host"},
		"a second request":         {get + "GET / HTTP/1.1\r\nHost: bad.example\r\n\r\n", get, "--egress none", "bad.example"},
		"after a body":             {"POST / HTTP/1.1\r\nHost: good.example\r\nContent-Length: 1\r\n\r\nxGET / HTTP/1.1\r\nHost: bad.example\r\n\r\n", "POST / HTTP/1.1\r\nHost: good.example\r\nContent-Length: 1\r\n\r\nx", "--egress none", "bad.example"},
		"an absolute target":       {"GET http://bad.example/ HTTP/1.0\r\n\r\n", "", "--egress none", "bad.example"},
		"two Hosts":                {"GET / HTTP/1.1\r\nHost: good.example\r\nHost: good.example\r\n\r\n", "", unreadable, "two Hosts"},
		"no Host":                  {"GET / HTTP/1.1\r\n\r\n", "", unreadable, "no Host"},
		"an empty Host":            {"GET / HTTP/1.1\r\nHost:\r\n\r\n", "", unreadable, "its Host"},
		"user and host":            {"GET / HTTP/1.1\r\nHost: good.example@bad.example\r\n\r\n", "", unreadable, "its Host"},
		"two hosts in one":         {"GET / HTTP/1.1\r\nHost: good.example, bad.example\r\n\r\n", "", unreadable, "its Host"},
		"target against Host":      {"GET http://bad.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n", "", unreadable, "different servers"},
		"a user in the target":     {"GET http://good.example@bad.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n", "", unreadable, "different servers"},
		"a backslash in it":        {"GET http://good.example\\@bad.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n", "", unreadable, "different servers"},
		"an https target":          {"GET https://good.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n", "", unreadable, "target"},
		"CONNECT":                  {"CONNECT good.example:443 HTTP/1.1\r\nHost: good.example\r\n\r\n", "", unreadable, "CONNECT"},
		"connect":                  {"connect good.example:443 HTTP/1.1\r\nHost: good.example\r\n\r\n", "", unreadable, "CONNECT"},
		"HTTP/1.2":                 {"GET / HTTP/1.2\r\nHost: good.example\r\n\r\n", "", unreadable, "HTTP/1.1"},
		"http/1.1":                 {"GET / http/1.1\r\nHost: good.example\r\n\r\n", "", unreadable, "HTTP/1.1"},
		"a tab in the first line":  {"GET\t/\tHTTP/1.1\r\nHost: good.example\r\n\r\n", "", unreadable, "first line"},
		"a space before":           {" GET / HTTP/1.1\r\nHost: good.example\r\n\r\n", "", unreadable, "first line"},
		"a folded header":          {"GET / HTTP/1.1\r\nX: y\r\n Host: bad.example\r\nHost: good.example\r\n\r\n", "", unreadable, "NAME: VALUE"},
		"a space before the colon": {"GET / HTTP/1.1\r\nHost : bad.example\r\nHost: good.example\r\n\r\n", "", unreadable, "NAME: VALUE"},
		"a header without a colon": {"GET / HTTP/1.1\r\nHost: good.example\r\nhello\r\n\r\n", "", unreadable, "NAME: VALUE"},
		"bare LF":                  {"GET / HTTP/1.1\nHost: good.example\n\n", "", unreadable, "head does not end"},
		"one bare LF":              {"GET / HTTP/1.1\r\nX: y\nHost: bad.example\r\nHost: good.example\r\n\r\n", "", unreadable, "a line has a character"},
		"a bare CR":                {"GET / HTTP/1.1\r\nX: y\rHost: bad.example\r\nHost: good.example\r\n\r\n", "", unreadable, "a line has a character"},
		"a NUL":                    {"GET / HTTP/1.1\r\nHost: good.example\r\nX: \x00\r\n\r\n", "", unreadable, "a line has a character"},
		"LF that ends the head":    {"GET / HTTP/1.1\r\nHost: good.example\r\n\nHost: bad.example\r\n\r\n", "", unreadable, "does not end"},
		"length and chunked":       {"POST / HTTP/1.1\r\nHost: good.example\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", unreadable, "both"},
		"two lengths":              {"POST / HTTP/1.1\r\nHost: good.example\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "", unreadable, "two Content-Lengths"},
		"a length with a sign":     {"POST / HTTP/1.1\r\nHost: good.example\r\nContent-Length: +3\r\n\r\nabc", "", unreadable, "no number"},
		"a length too large":       {"POST / HTTP/1.1\r\nHost: good.example\r\nContent-Length: 99999999999999999999\r\n\r\n", "", unreadable, "no number"},
		"two codings":              {"POST / HTTP/1.1\r\nHost: good.example\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "", unreadable, "chunked alone"},
		"chunked twice":            {"POST / HTTP/1.1\r\nHost: good.example\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "", unreadable, "chunked alone"},
		"xchunked":                 {"POST / HTTP/1.1\r\nHost: good.example\r\nTransfer-Encoding: xchunked\r\n\r\n", "", unreadable, "chunked alone"},
		"chunked in HTTP/1.0":      {"POST / HTTP/1.0\r\nHost: good.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", unreadable, "HTTP/1.0"},
		"a head without end":       {"GET / HTTP/1.1\r\nX: " + strings.Repeat("x", maxHead) + "\r\n\r\n", "", unreadable, "64 KiB"},
		"something else after":     {get + "\x16\x03\x01\x00\x05hello\r\n\r\n", get, unreadable, "a line has a character"},
	} {
		got := play(standard(t), good, []byte(test.text))
		answer, err := http.ReadResponse(bufio.NewReader(strings.NewReader(got.toGuest)), nil)
		if err != nil {
			t.Errorf("%s: %+v", name, got)
			continue
		}
		body, _ := io.ReadAll(answer.Body)
		if answer.StatusCode != 403 || answer.Header.Get("X-Ember-Refused") != test.rule || !strings.Contains(string(body), test.reason) {
			t.Errorf("%s: %s", name, got.toGuest)
		}
		if got.toServer != test.passes || got.reset || !strings.Contains(got.notes, "refused") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestBodyThatCanBeReadTwoWaysIsNotPassedOnWhole(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: good.example\r\nTransfer-Encoding: chunked\r\n\r\n"
	for name, body := range map[string]string{
		"no size":                 "\r\n",
		"a size with 0x":          "0x5\r\nhello\r\n0\r\n\r\n",
		"a size with a sign":      "+5\r\nhello\r\n0\r\n\r\n",
		"a size with a space":     "5 \r\nhello\r\n0\r\n\r\n",
		"a size beyond":           "ffffffffffffffff1\r\n",
		"LF after the size":       "5\nhello\r\n0\r\n\r\n",
		"CR within an extension":  "5;a\rb\r\nhello\r\n0\r\n\r\n",
		"a chunk that is longer":  "5\r\nhello!\r\n0\r\n\r\n",
		"LF after a chunk":        "5\r\nhello\n0\r\n\r\n",
		"an endless extension":    "5;" + strings.Repeat("a", maxChunkLine) + "\r\n",
		"Host as a trailer":       "0\r\nHost: bad.example\r\n\r\n",
		"a length as a trailer":   "0\r\nContent-Length: 5\r\n\r\n",
		"a trailer without colon": "0\r\nGET / HTTP/1.1\r\n\r\n",
		"trailers without end":    "0\r\n" + strings.Repeat("X: y\r\n", maxTrailers/6+1) + "\r\n",
	} {
		got := play(standard(t), good, []byte(head+body+get))
		if !strings.HasPrefix(got.toGuest, "HTTP/1.1 403 ") || strings.Contains(got.toServer, "0\r\n\r\n") || strings.Contains(got.toServer, get) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestHEADIsRefusedWithoutABody(t *testing.T) {
	got := play(standard(t), good, []byte("HEAD / HTTP/1.1\r\nHost: bad.example\r\n\r\n"))
	if !strings.HasPrefix(got.toGuest, "HTTP/1.1 403 ") || !strings.HasSuffix(got.toGuest, "\r\n\r\n") {
		t.Errorf("%q", got.toGuest)
	}
}

func TestHTTP2WithoutTLSIsRefusedInItsOwnWords(t *testing.T) {
	got := play(standard(t), good, []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"))
	if !strings.HasPrefix(got.toGuest, "\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00") || !strings.Contains(got.toGuest, "\x00\x00\x00\x0dember: HTTP/2 without TLS") {
		t.Errorf("%q", got.toGuest)
	}
	if got.toServer != "" || got.reset {
		t.Errorf("%+v", got)
	}
}

func TestWishForHTTP2IsLeftOut(t *testing.T) {
	const wish = "GET / HTTP/1.1\r\nHost: good.example\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\nX: y\r\n\r\n"
	got := play(standard(t), good, []byte(wish+get))
	if want := "GET / HTTP/1.1\r\nHost: good.example\r\nConnection: Upgrade, HTTP2-Settings\r\nX: y\r\n\r\n" + get; got.toServer != want {
		t.Errorf("%+v", got)
	}
}

func TestWhatFollowsAnUpgradeIsLookedAtUnlessTheServerAgrees(t *testing.T) {
	const bad = "GET / HTTP/1.1\r\nHost: bad.example\r\n\r\n"
	for _, before := range []string{"", get, get + get} {
		ask := before + "GET /ws HTTP/1.1\r\nHost: good.example\r\nUpgrade: websocket\r\n\r\n"
		got := play(standard(t), good, []byte(ask+bad))
		if got.toServer != ask+bad || got.toGuest != switching || got.reset {
			t.Errorf("agreed: %+v", got)
		}
		ask = strings.Replace(ask, "/ws", "/no", 1)
		got = play(standard(t), good, []byte(ask+bad))
		if got.toServer != ask || !strings.HasPrefix(got.toGuest, staying+"HTTP/1.1 403 ") || got.reset {
			t.Errorf("not agreed: %+v", got)
		}
	}
}

func TestRequestThatIsCutPassesNothingAndEnds(t *testing.T) {
	for _, text := range []string{get[:20], "POST / HTTP/1.1\r\nHost: good.example\r\nContent-Length: 9\r\n\r\nabc"} {
		if got := play(standard(t), good, []byte(text)); !got.reset || strings.Contains(got.toGuest, "HTTP") {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestRequestWhereNothingIsAllowedIsAnsweredWithoutDialling(t *testing.T) {
	got := play(standard(t), none, []byte("GET / HTTP/1.1\r\nHost: good.example\r\n\r\n"))
	if got.dialled != "" || !strings.Contains(got.toGuest, "X-Ember-Refused: --egress none\r\n") || got.notes != "refused host good.example" {
		t.Errorf("%+v", got)
	}
}

// samples are what the splitting and fuzzing tests begin with.
func samples(t testing.TB) [][]byte {
	hello := inRecords(realHello(t, "good.example"), 300)
	return [][]byte{
		[]byte(get + get), []byte(get + "GET / HTTP/1.1\r\nHost: bad.example\r\n\r\n"),
		[]byte("POST / HTTP/1.1\r\nHost: good.example\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n" + get),
		[]byte("POST / HTTP/1.1\r\nHost: good.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n"),
		[]byte("PUT / HTTP/1.1\r\nHost: also.example\r\nContent-Length: 40\r\n\r\n" + get + get),
		[]byte("GET / HTTP/1.1\nHost: good.example\n\n"), []byte("\r\n\r\n" + get), []byte("SSH-2.0-x y\r\n" + get), []byte("GET /\r\n" + get),
		[]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), []byte("GET / HTTP/1.1\r\nHost: good.example\r\nUpgrade: h2c\r\n\r\n"),
		[]byte("GET / HTTP/1.1\r\nHost: good.example\r\nUpgrade: websocket\r\n\r\nGET / HTTP/1.1\r\nHost: bad.example\r\n\r\n"),
		[]byte(get + "GET /ws HTTP/1.1\r\nHost: good.example\r\nUpgrade: websocket\r\n\r\nGET / HTTP/1.1\r\nHost: bad.example\r\n\r\n"),
		hello, append(bytes.Clone(hello), "\x14\x03\x03\x00\x01\x01\x17\x03\x03\x00\x01x"...), inRecords(helloWith(sni("bad.example")), 7),
		append(bytes.Clone(hello), inRecords(helloWith(sni("bad.example")), 50)...), {0, 0, 0, 8, 4, 210, 22, 47},
	}
}

func TestCuttingTheSameBytesElsewhereChangesNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	for i, data := range samples(t) {
		whole := play(standard(t), good, bytes.Clone(data))
		for try := range 60 {
			pieces := cut(data, 1)
			if try > 0 {
				pieces = nil
				for rest := bytes.Clone(data); len(rest) > 0; {
					n := 1 + random.IntN(len(rest))
					pieces, rest = append(pieces, rest[:n]), rest[n:]
				}
			}
			sizes := fmt.Sprint(len(pieces), " pieces")
			if got := play(standard(t), good, pieces...); got != whole {
				t.Fatalf("sample %d, %s: %+v, whole: %+v", i, sizes, got, whole)
			}
		}
	}
}

// What passes is read once more, as Go's own server would: each request must be for a host that is allowed.
func FuzzServe(f *testing.F) {
	for _, data := range samples(f) {
		f.Add(data, 1)
	}
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		if len(data) == 0 {
			return
		}
		size = 1 + max(size, -size)&0xffff
		whole, pieces := play(standard(t), good, bytes.Clone(data)), play(standard(t), good, cut(data, size)...)
		if whole != pieces {
			t.Fatalf("whole: %+v, cut: %+v", whole, pieces)
		}
		if strings.Contains(whole.toServer, "/ws") {
			return // what follows is no HTTP
		}
		reader := bufio.NewReader(strings.NewReader(whole.toServer))
		for {
			req, err := http.ReadRequest(reader)
			if err != nil {
				return
			}
			host, ok := hostOf(req.Host)
			if ok && host != "good.example" && host != "also.example" && host != "192.0.2.1" {
				t.Fatalf("%q passed to the server: %q", host, whole.toServer)
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				return
			}
		}
	})
}
