package inspect

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"ember.dev/net/internal/policy"
)

func TestServerMaySpeakFirst(t *testing.T) {
	for _, port := range []uint16{22, 443} {
		w := newWorld(t, standard(t), port, rawServer(t, func(conn *net.TCPConn) {
			_, _ = io.WriteString(conn, "220 hello\r\n")
			echo(conn)
		}))
		conn := w.connect()
		said(t, conn, "220 hello\r\n")
		say(t, conn, "EHLO me\r\n")
		said(t, conn, "EHLO me\r\n")
		if got := w.notes.list(); len(got) != 1 || !strings.HasPrefix(got[0], "allowed answer ") {
			t.Errorf("%q", got)
		}
	}
}

func TestWhatTheClientSaysAfterTheServerIsStillLookedAt(t *testing.T) {
	w := newWorld(t, standard(t), 22, rawServer(t, func(conn *net.TCPConn) {
		_, _ = io.WriteString(conn, "hello\r\n")
		echo(conn)
	}))
	for _, text := range []string{"GET / HTTP/1.1\r\nHost: bad.example\r\n\r\n", string(inRecords(helloWith(sni("bad.example")), 5))} {
		conn := w.connect()
		said(t, conn, "hello\r\n")
		say(t, conn, text)
		wasReset(t, conn)
	}
	if got := w.notes.list(); !slices.Equal(got, []string{"refused host bad.example", "refused sni bad.example"}) {
		t.Errorf("%q", got)
	}
}

func TestServerIsNotReachedWhereNoAnswerAllowsIt(t *testing.T) {
	var reached atomic.Int64
	engine := allowing(t, "elsewhere.example")
	engine.Answered("elsewhere.example", nil, nil, 0)
	w := newWorld(t, engine, 80, rawServer(t, func(conn *net.TCPConn) { reached.Add(1) }))
	conn := w.connect()
	say(t, conn, "EHLO me\r\n")
	wasReset(t, conn)
	if reached.Load() != 0 {
		t.Error("the server was connected to")
	}
}

func TestLineWithoutAnEndReachesTheServerAndIsJudgedAtItsEnd(t *testing.T) {
	w := newWorld(t, standard(t), 25, rawServer(t, echo))
	conn := w.connect()
	say(t, conn, "PING")
	said(t, conn, "PING")
	say(t, conn, " again")
	said(t, conn, " again")
	conn = w.connect()
	say(t, conn, "GET / HT")
	said(t, conn, "GET / HT")
	say(t, conn, "TP/1.1\r\nHost: good.example\r\n\r\n")
	said(t, conn, "TP/1.1\r\nHost: good.example\r\n\r\n")
	conn = w.connect()
	say(t, conn, "GET / HT")
	said(t, conn, "GET / HT")
	say(t, conn, "TP/1.1\r\nHost: bad.example\r\n\r\n")
	wasReset(t, conn)
}

func TestHalfClosedConnectionsGoOn(t *testing.T) {
	w := newWorld(t, standard(t), 22, rawServer(t, func(conn *net.TCPConn) {
		got, _ := io.ReadAll(conn)
		fmt.Fprintf(conn, "%d bytes", len(got))
	}))
	conn := w.connect()
	say(t, conn, "\x00"+strings.Repeat("x", 1<<20))
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err != nil || string(got) != "1048577 bytes" {
		t.Errorf("%q, %v", got, err)
	}
	w = newWorld(t, standard(t), 22, rawServer(t, func(conn *net.TCPConn) {
		_ = conn.CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
	}))
	conn = w.connect()
	if got, err := io.ReadAll(conn); err != nil || len(got) != 0 {
		t.Errorf("%q, %v", got, err)
	}
	say(t, conn, "\x00more")
}

func TestServerThatRefusesIsSeenAsAReset(t *testing.T) {
	listener := listen(t)
	listener.Close()
	for _, port := range []uint16{22, 80} {
		w := newWorld(t, standard(t), port, listener.Addr().String())
		conn, err := net.Dial("tcp", w.listener.Addr().String())
		if errors.Is(err, syscall.ECONNRESET) {
			continue // already
		}
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, get); err == nil { // else it saw the reset
			wasReset(t, conn)
		}
	}
}

func TestKeptConnectionIsRefusedItsOtherRequests(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host) }))
	defer server.Close()
	engine := standard(t)
	rule := policy.Rule{Action: policy.ActionRefuse, Host: "*.example", Text: "--deny-host *.example"}
	w := newWorld(t, engine, 80, server.Listener.Addr().String())
	client := w.client(&tls.Config{})
	for range 3 {
		if status, body, _ := fetch(t, client, "http://good.example/"); status != 200 || body != "good.example" {
			t.Errorf("%d %q", status, body)
		}
	}
	conn := w.connect()
	reader := bufio.NewReader(conn)
	for _, host := range []string{"good.example", "also.example", "bad.example"} {
		say(t, conn, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
		answer, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		if host == "bad.example" && (answer.StatusCode != 403 || !strings.Contains(string(body), "bad.example (192.0.2.1:80)")) {
			t.Errorf("%d, %q", answer.StatusCode, body)
		}
		if host != "bad.example" && string(body) != host {
			t.Errorf("%q", body)
		}
	}
	if _, err := reader.ReadByte(); err != io.EOF {
		t.Errorf("after a refusal: %v", err)
	}
	engine.Replace(policy.Policy{Default: policy.ActionAllow, Rules: []policy.Rule{rule}})
	if status, body, header := fetch(t, client, "http://good.example/"); status != 403 || header.Get("X-Ember-Refused") != rule.Text {
		t.Errorf("%d %q", status, body)
	}
}

func TestBodiesStreamBothWays(t *testing.T) {
	asked := make(chan string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if err := control.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		buffer := make([]byte, 5)
		for {
			n, err := io.ReadFull(r.Body, buffer)
			asked <- string(buffer[:n])
			if err != nil {
				return
			}
			_, _ = w.Write([]byte("got " + string(buffer)))
			_ = control.Flush()
		}
	}))
	defer server.Close()
	w := newWorld(t, standard(t), 80, server.Listener.Addr().String())
	body, write := io.Pipe()
	answers := make(chan *http.Response)
	go func() {
		answer, err := w.client(&tls.Config{}).Post("http://good.example/", "", body)
		if err != nil {
			t.Error(err)
		}
		answers <- answer
	}()
	say2 := func(text string) {
		if _, err := io.WriteString(write, text); err != nil {
			t.Fatal(err)
		}
		if got := <-asked; got != text {
			t.Fatalf("%q", got)
		}
	}
	say2("first")
	answer := <-answers
	defer answer.Body.Close()
	for _, text := range []string{"first", "secnd", "third"} {
		got := make([]byte, 9)
		if _, err := io.ReadFull(answer.Body, got); err != nil || string(got) != "got "+text {
			t.Fatalf("%q, %v", got, err)
		}
		switch text {
		case "first":
			say2("secnd")
		case "secnd":
			say2("third")
		}
	}
	write.Close()
	<-asked
}

func TestUpgradedConnectionIsRelayed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			return
		}
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nserver first")
		_, _ = io.Copy(conn, buffered)
	}))
	defer server.Close()
	w := newWorld(t, standard(t), 80, server.Listener.Addr().String())
	conn := w.connect()
	reader := bufio.NewReader(conn)
	for _, upgrade := range []string{"", "Connection: Upgrade\r\nUpgrade: echo\r\n"} { // the second on a connection that was in use
		say(t, conn, "GET / HTTP/1.1\r\nHost: good.example\r\n"+upgrade+"\r\n")
		if answer, err := http.ReadResponse(reader, nil); err != nil || (answer.StatusCode == 101) != (upgrade != "") {
			t.Fatalf("%v, %v", answer, err)
		}
	}
	const bad = "GET / HTTP/1.1\r\nHost: bad.example\r\n\r\n" // what these bytes are is no longer HTTP's to say
	say(t, conn, bad)
	got := make([]byte, len("server first"+bad))
	if _, err := io.ReadFull(reader, got); err != nil || string(got) != "server first"+bad {
		t.Errorf("%q, %v", got, err)
	}
}

func TestLargeBodyIsNotHeldBack(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err)
	}))
	defer server.Close()
	w := newWorld(t, standard(t), 80, server.Listener.Addr().String())
	for _, body := range []io.Reader{strings.NewReader(strings.Repeat("x", 8<<20)), io.LimitReader(endless{}, 8<<20)} { // with a length, and chunked
		answer, err := w.client(&tls.Config{}).Post("http://good.example/", "", body)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if string(got) != "8388608 <nil>" {
			t.Errorf("%q", got)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
