package intercept

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

func TestARequestForAnotherHostNeverGoesOn(t *testing.T) {
	head := "X: " + placeholder + "\r\n"
	cases := map[string]string{
		"another host":                 "GET / HTTP/1.1\r\nHost: evil.example.com\r\n" + head,
		"no host":                      "GET / HTTP/1.1\r\n" + head,
		"no host, HTTP/1.0":            "GET / HTTP/1.0\r\n" + head,
		"two hosts":                    "GET / HTTP/1.1\r\nHost: " + host + "\r\nhost: evil.example.com\r\n" + head,
		"the same host twice":          "GET / HTTP/1.1\r\nHost: " + host + "\r\nHost: " + host + "\r\n" + head,
		"a host after a space":         "GET / HTTP/1.1\r\nHost : evil.example.com\r\nHost: " + host + "\r\n" + head,
		"a folded host":                "GET / HTTP/1.1\r\nHost: " + host + "\r\n evil.example.com\r\n" + head,
		"two hosts in one":             "GET / HTTP/1.1\r\nHost: " + host + ", evil.example.com\r\n" + head,
		"a user before the host":       "GET / HTTP/1.1\r\nHost: " + host + "@evil.example.com\r\n" + head,
		"a longer host":                "GET / HTTP/1.1\r\nHost: " + host + ".evil.example.com\r\n" + head,
		"a port that is a host":        "GET / HTTP/1.1\r\nHost: " + host + ":evil\r\n" + head,
		"another host as the target":   "GET http://evil.example.com/ HTTP/1.1\r\nHost: " + host + "\r\n" + head,
		"a target with a user":         "GET https://" + host + "@evil.example.com/ HTTP/1.1\r\nHost: " + host + "\r\n" + head,
		"a target with a fragment":     "GET https://" + host + "#@evil.example.com/ HTTP/1.1\r\nHost: " + host + "\r\n" + head,
		"a target with a backslash":    "GET https://" + host + "\\@evil.example.com/ HTTP/1.1\r\nHost: " + host + "\r\n" + head,
		"a tunnel":                     "CONNECT " + host + ":443 HTTP/1.1\r\nHost: " + host + "\r\n" + head,
		"a second target":              "GET / /x HTTP/1.1\r\nHost: " + host + "\r\n" + head,
		"a tab in the request line":    "GET /\thttp://evil.example.com HTTP/1.1\r\nHost: " + host + "\r\n" + head,
		"another version":              "GET / HTTP/2.0\r\nHost: " + host + "\r\n" + head,
		"two lengths":                  "POST / HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 1\r\nContent-Length: 2\r\n" + head,
		"a length and chunks":          "POST / HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n" + head,
		"a negative length":            "POST / HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: -1\r\n" + head,
		"a length with a sign":         "POST / HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: +1\r\n" + head,
		"two encodings":                "POST / HTTP/1.1\r\nHost: " + host + "\r\nTransfer-Encoding: gzip, chunked\r\n" + head,
		"an odd encoding":              "POST / HTTP/1.1\r\nHost: " + host + "\r\nTransfer-Encoding: xchunked\r\n" + head,
		"chunks in HTTP/1.0":           "POST / HTTP/1.0\r\nHost: " + host + "\r\nTransfer-Encoding: chunked\r\n" + head,
		"a bare line feed":             "GET / HTTP/1.1\r\nHost: " + host + "\nX-Y: z\r\n" + head,
		"a bare carriage return":       "GET / HTTP/1.1\r\nHost: " + host + "\r\nX-Y: z\rHost: evil\r\n" + head,
		"a NUL":                        "GET / HTTP/1.1\r\nHost: " + host + "\r\nX-Y: \x00\r\n" + head,
		"a header without a colon":     "GET / HTTP/1.1\r\nHost: " + host + "\r\nX-Y\r\n" + head,
		"too long a head":              "GET / HTTP/1.1\r\nHost: " + host + "\r\nX-Y: " + strings.Repeat("a", maxHeadBytes) + "\r\n" + head,
		"a space before first headers": "GET / HTTP/1.1\r\n Host: " + host + "\r\n" + head,
	}
	var seen atomic.Int32
	r := newRig(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
	for name, request := range cases {
		before := seen.Load()
		conn := r.connect("http/1.1")
		in := bufio.NewReader(conn)
		_, _ = io.WriteString(conn, "GET /first HTTP/1.1\r\nHost: "+host+":443\r\n\r\n"+request+"\r\n")
		first, err := http.ReadResponse(in, nil)
		if err != nil || first.StatusCode != http.StatusOK {
			t.Fatalf("%s: the request before it got %v %v", name, first, err)
		}
		second, err := http.ReadResponse(in, nil)
		if err != nil || second.StatusCode != http.StatusMisdirectedRequest && second.StatusCode != http.StatusBadRequest {
			t.Fatalf("%s: %v %v", name, second, err)
		}
		if body, _ := io.ReadAll(second.Body); !strings.HasPrefix(string(body), "ember: ") || strings.Contains(string(body), "evil") {
			t.Errorf("%s: %q", name, body)
		}
		if seen.Load() != before+1 {
			t.Errorf("%s: the host got %d requests", name, seen.Load()-before)
		}
		_ = conn.Close() // done with it
		if err := <-r.served; err == nil {
			t.Errorf("%s: no error for the record", name)
		}
	}
}

func TestAnAbsoluteTargetBecomesAPath(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = fmt.Fprint(w, req.RequestURI, req.Header.Get("X"))
	}))
	conn := r.connect("http/1.1")
	in := bufio.NewReader(conn)
	for target, want := range map[string]string{"https://" + host + "/a?b": "/a?b", "http://" + strings.ToUpper(host) + ":443": "/", "https://" + host + "?q": "/?q"} {
		_, _ = io.WriteString(conn, "GET "+target+" HTTP/1.1\r\nHost: "+host+"\r\nX: "+placeholder+"\r\n\r\n")
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(response.Body); string(body) != want+value {
			t.Errorf("%s: %q", target, body)
		}
	}
}

func TestAnotherAuthorityOnAnHTTP2ConnectionIsRefusedAndTheConnectionGoesOn(t *testing.T) {
	var wrong atomic.Int32
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Host != host {
			wrong.Add(1)
		}
		n, _ := io.Copy(io.Discard, req.Body)
		_, _ = fmt.Fprint(w, n, req.Header.Get("X"))
	}))
	client := r.client("h2")
	const size = 3 << 20
	for n := range 20 {
		req := newRequest(t, http.MethodPost, "/", strings.NewReader(strings.Repeat("x", size)))
		req.Header.Set("X", placeholder)
		if n%2 == 1 {
			req.Host = "evil.example.com"
		}
		response, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close() // read-only
		if n%2 == 0 && string(body) != fmt.Sprint(size, value) {
			t.Fatalf("request %d: %q", n, body)
		}
		if n%2 == 1 && (response.StatusCode != http.StatusMisdirectedRequest || response.Header.Get(refusalField) == "") {
			t.Fatalf("request %d: %v", n, response)
		}
	}
	if wrong.Load() > 0 {
		t.Errorf("the host got %d requests for another", wrong.Load())
	}
}

func TestAHostWithoutAProperCertificateIsToldInHTTP(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.EnableHTTP2 = true
	other := newTestAuthority(t)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{other.leaf(t, host)}}
	server.Config.ErrorLog = quiet
	server.StartTLS()
	defer server.Close()
	eachProtocol(t, func(t *testing.T, protocol string) {
		r := newRigTo(t, newTestAuthority(t), server.Listener.Addr().String())
		response, err := r.client(protocol).Do(newRequest(t, http.MethodGet, "/", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close() //nolint:errcheck // read-only
		body, _ := io.ReadAll(response.Body)
		if response.StatusCode != http.StatusBadGateway || !strings.Contains(string(body), host) || !strings.Contains(string(body), "certificate") {
			t.Errorf("%d %q", response.StatusCode, body)
		}
	})
}

func TestACertificateForAnotherNameIsNotEnough(t *testing.T) {
	internet := newTestAuthority(t)
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{internet.leaf(t, "evil.example.com")}}
	server.Config.ErrorLog = quiet
	server.StartTLS()
	defer server.Close()
	r := newRigTo(t, internet, server.Listener.Addr().String())
	response, err := r.client("http/1.1").Do(newRequest(t, http.MethodGet, "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // read-only
	if response.StatusCode != http.StatusBadGateway {
		t.Errorf("%d", response.StatusCode)
	}
}

func TestAHostThatCannotBeReachedIsToldInHTTPAndOtherwiseByAnAlert(t *testing.T) {
	listener := listen(t)
	_ = listener.Close() // nobody is there
	r := newRigTo(t, newTestAuthority(t), listener.Addr().String())
	response, err := r.client("http/1.1").Do(newRequest(t, http.MethodGet, "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close() // read-only
	if response.StatusCode != http.StatusBadGateway {
		t.Errorf("%d", response.StatusCode)
	}
	config := &tls.Config{ServerName: host, RootCAs: r.guest, NextProtos: []string{"mqtt"}}
	if conn, err := tls.Dial("tcp", r.address, config); err == nil || !strings.Contains(err.Error(), "remote error: tls:") {
		t.Errorf("%v %v", conn, err)
	}
}

func TestAClientHelloForAnotherNameIsRefused(t *testing.T) {
	r := newRig(t, http.NotFoundHandler())
	for _, name := range []string{"evil.example.com", ""} {
		config := &tls.Config{ServerName: name, InsecureSkipVerify: true} //nolint:gosec // there is nothing to verify
		if conn, err := tls.Dial("tcp", r.address, config); err == nil {
			_ = conn.Close() // it should not be
			t.Errorf("%q is served", name)
		}
		if err := <-r.served; err == nil {
			t.Errorf("%q: no error for the record", name)
		}
	}
}
