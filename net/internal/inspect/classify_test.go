package inspect

import (
	"strings"
	"testing"
)

func TestWhatAServerMightTakeForHTTPOrTLSIsCalledSo(t *testing.T) {
	for data, want := range map[string]kind{
		"": undecided, "\r\n": undecided, "GET": undecided, "GET / HTTP/1.1": undecided, "SSH-2.0-x": undecided, "get /": undecided,
		"GET / HTTP/1.1\r\n": speaksHTTP, "\r\n\n GET / HTTP/1.1\r\n": speaksHTTP, "GET\t/\thttp/1.1\n": speaksHTTP,
		"FOO /bar xHTTP/9\r\n": speaksHTTP, "PRI * HTTP/2.0\r\n": speaksHTTP, "GET\v/ HTTP/1.1\n": speaksHTTP,
		"GET /\r\n": speaksOther, "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n": speaksOther, "EHLO me\r\n": speaksOther,
		"\x00\x00\x00\x08": speaksOther, "{": speaksOther, "ab\x00": speaksOther, "\xff\xfb": speaksOther, "*1\r\n$4\r\nPING\r\n": speaksOther,
		"\x16": speaksTLS, "\x16\x02": speaksTLS, "\x15\x03\x01\x00\x02\x01\x00": speaksTLS, "\x14\x03": speaksTLS,
		"\x80\x2e\x01\x03\x01": speaksOther, // SSL 2's hello names nobody
	} {
		if got := classify([]byte(data)); got != want {
			t.Errorf("%q: %d, want %d", data, got, want)
		}
	}
}

func TestAKindOnceToldStays(t *testing.T) {
	for _, text := range []string{"\r\n GET / HTTP/1.1\r\nHost: a\r\n\r\n", "EHLO a\r\nGET / HTTP/1.1\r\n\r\n", "\x16\x03\x01GET / HTTP/1.1\r\n", strings.Repeat("x", 99) + "\r\n"} {
		told := undecided
		for n := range len(text) + 1 {
			got := classify([]byte(text[:n]))
			if told != undecided && got != told {
				t.Errorf("%q is %d, then %d", text[:n], told, got)
			}
			told = got
		}
	}
}
