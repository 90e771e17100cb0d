package intercept

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

func TestTheHostGetsTheValueInHeadersAloneAndTheGuestNeverDoes(t *testing.T) {
	eachProtocol(t, func(t *testing.T, protocol string) {
		r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			user, password, _ := req.BasicAuth()
			body, _ := io.ReadAll(req.Body)
			w.Header().Set("Echo", req.Header.Get("X-Token"))
			_, _ = fmt.Fprintf(w, "%v %v %v|%s|%s|%s|%s", req.Header.Get("X-Token") == "Bearer "+value, password == value, user,
				req.Header.Get("X-Other"), req.URL.RawQuery, body, req.Proto)
		}))
		req := newRequest(t, http.MethodPost, "/?q="+placeholder, strings.NewReader("body "+placeholder))
		req.Header.Set("X-Token", "Bearer "+placeholder)
		req.Header.Set("X-Other", foreign)
		req.SetBasicAuth("me", placeholder)
		response, err := r.client(protocol).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close() //nolint:errcheck // read-only
		body, _ := io.ReadAll(response.Body)
		proto := map[string]string{"h2": "HTTP/2.0", "http/1.1": "HTTP/1.1"}[protocol]
		want := "true true me|" + foreign + "|q=" + placeholder + "|body " + placeholder + "|" + proto
		if string(body) != want {
			t.Errorf("%s", body)
		}
		if got := response.Header.Get("Echo"); got != "Bearer "+placeholder {
			t.Errorf("the guest was told %q", got)
		}
	})
}

func TestHTTP1HeadersKeepTheirOrderAndCase(t *testing.T) {
	heads := make(chan string, 1)
	internet := newTestAuthority(t)
	upstream := tlsServer(t, internet, []string{"http/1.1"}, func(conn *tls.Conn, in *bufio.Reader) {
		heads <- readRawHead(in)
		_, _ = io.WriteString(conn, "HTTP/1.1 204 Fine\r\nx-b: 1\r\nX-A: 2\r\nAlt-Svc: h3=\":443\"\r\nx-b: 3\r\n\r\n")
		_, _ = in.ReadByte() // until the guest closes
	})
	conn := newRigTo(t, internet, upstream).connect("http/1.1")
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nx-lower: a\r\nHOST: "+host+"\r\nX-UPPER:"+placeholder+"\r\nx-lower: b\r\n\r\n")
	if got := <-heads; got != "GET / HTTP/1.1\r\nx-lower: a\r\nHOST: "+host+"\r\nX-UPPER: "+value+"\r\nx-lower: b\r\n\r\n" {
		t.Errorf("%q", got)
	}
	if got := readRawHead(bufio.NewReader(conn)); got != "HTTP/1.1 204 Fine\r\nx-b: 1\r\nX-A: 2\r\nx-b: 3\r\n\r\n" {
		t.Errorf("%q", got)
	}
}

func TestPipelinedRequestsAreAnsweredInTheirOrder(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { _, _ = io.WriteString(w, req.URL.Path) }))
	conn := r.connect("http/1.1")
	var all strings.Builder
	for n := range 200 {
		_, _ = fmt.Fprintf(&all, "GET /%d HTTP/1.1\r\nHost: %s\r\n\r\n", n, host)
	}
	go func() { _, _ = io.WriteString(conn, all.String()) }()
	in := bufio.NewReader(conn)
	for n := range 200 {
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(response.Body); string(body) != fmt.Sprintf("/%d", n) {
			t.Fatalf("answer %d is %s", n, body)
		}
	}
}

func TestManyStreamsAtOnceDoNotMix(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(w, req.Body)
		_, _ = io.WriteString(w, req.Header.Get("X-Token")+req.Header.Get("N"))
	}))
	client := r.client("h2")
	first, err := client.Do(newRequest(t, http.MethodGet, "/", nil)) // whose connection the others find
	if err != nil {
		t.Fatal(err)
	}
	_ = first.Body.Close() // read-only
	var all sync.WaitGroup
	for n := range 300 {
		all.Go(func() {
			body := strings.Repeat("x", n*100)
			req := newRequest(t, http.MethodPost, "/", strings.NewReader(body))
			req.Header.Set("X-Token", placeholder)
			req.Header.Set("N", fmt.Sprint(n))
			response, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			got, _ := io.ReadAll(response.Body)
			_ = response.Body.Close() // read-only
			if string(got) != body+value+fmt.Sprint(n) {
				t.Errorf("stream %d got %d bytes", n, len(got))
			}
		})
	}
	all.Wait()
}

func TestHeadersLargerThanAFramePass(t *testing.T) {
	eachProtocol(t, func(t *testing.T, protocol string) {
		r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Back", req.Header.Get("Long"))
		}))
		req := newRequest(t, http.MethodGet, "/", nil)
		long := strings.Repeat("é~", 20_000)
		req.Header.Set("Long", long)
		response, err := r.client(protocol).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close() // read-only
		if response.Header.Get("Back") != long {
			t.Errorf("%d bytes came back", len(response.Header.Get("Back")))
		}
	})
}

// readRawHead reads up to an empty line, or to the end.
func readRawHead(in *bufio.Reader) string {
	var head strings.Builder
	for {
		line, err := in.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" {
			return head.String()
		}
	}
}
