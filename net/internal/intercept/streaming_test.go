package intercept

import (
	"bufio"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

// echoChunks answers each piece of a body before it reads the next, and puts a trailer at the end.
func echoChunks(w http.ResponseWriter, req *http.Request) {
	_ = http.NewResponseController(w).EnableFullDuplex() // HTTP/2 is anyhow
	w.Header().Set("Trailer", "Grpc-Status")
	w.Header().Set("Authorized", fmt.Sprint(req.Header.Get("Authorization") == "Bearer "+value))
	w.WriteHeader(http.StatusOK)
	buffer := make([]byte, 1<<10)
	for {
		_ = http.NewResponseController(w).Flush() // the client may be gone
		n, err := req.Body.Read(buffer)
		_, _ = w.Write(buffer[:n])
		if err != nil {
			break
		}
	}
	w.Header().Set("Grpc-Status", "0 "+req.Trailer.Get("Checksum"))
}

func TestEachChunkArrivesBeforeTheNextIsSentBothWaysAndTrailersFollow(t *testing.T) {
	eachProtocol(t, func(t *testing.T, protocol string) {
		r := newRig(t, http.HandlerFunc(echoChunks))
		body, feed := io.Pipe()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+host+"/service/Method", body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/grpc")
		req.Header.Set("Authorization", "Bearer "+placeholder)
		req.Trailer = http.Header{"Checksum": nil}
		response, err := r.client(protocol).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close() //nolint:errcheck // read-only
		for n := range 50 {
			sent := fmt.Sprintf("message %d", n)
			_, _ = io.WriteString(feed, sent)
			got := make([]byte, len(sent))
			if _, err := io.ReadFull(response.Body, got); err != nil || string(got) != sent {
				t.Fatalf("%q %v", got, err)
			}
		}
		req.Trailer.Set("Checksum", "abc")
		_ = feed.Close() // never fails
		if rest, err := io.ReadAll(response.Body); err != nil || len(rest) > 0 {
			t.Errorf("%q %v", rest, err)
		}
		if response.Header.Get("Authorized") != "true" || response.Trailer.Get("Grpc-Status") != "0 abc" {
			t.Errorf("%v %v", response.Header, response.Trailer)
		}
	})
}

func TestPartOfABodyOfKnownLengthDoesNotWaitForTheRest(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex() // it is HTTP/1.1
		w.Header().Set("Content-Length", "6")
		for range 6 {
			_, _ = io.CopyN(w, req.Body, 1)
			_ = http.NewResponseController(w).Flush() // the client may be gone
		}
	}))
	conn := r.connect("http/1.1")
	in := bufio.NewReader(conn)
	_, _ = io.WriteString(conn, "PUT / HTTP/1.1\r\nHost: "+host+"\r\nContent-Length: 6\r\n\r\n")
	for n, c := range []byte("abcdef") {
		_, _ = conn.Write([]byte{c})
		if n == 0 {
			readRawHead(in)
		}
		if got, err := in.ReadByte(); got != c || err != nil {
			t.Fatalf("%q %v", got, err)
		}
	}
}

func TestABodyWaitsForTheHostToWantIt(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/no" {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = io.Copy(w, req.Body)
	}))
	for path, want := range map[string]string{"/no": "413", "/yes": "100"} {
		conn := r.connect("http/1.1")
		in := bufio.NewReader(conn)
		_, _ = io.WriteString(conn, "PUT "+path+" HTTP/1.1\r\nHost: "+host+"\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
		head := readRawHead(in)
		if strings.Contains(head, " 103 ") {
			head = readRawHead(in)
		}
		if !strings.HasPrefix(head, "HTTP/1.1 "+want) {
			t.Fatalf("%s: %q", path, head)
		}
		if path == "/no" {
			continue
		}
		_, _ = io.WriteString(conn, "ok")
		if response, err := http.ReadResponse(in, nil); err != nil || response.StatusCode != http.StatusOK {
			t.Errorf("%v %v", response, err)
		}
	}
}

func TestAWebSocketEchoes(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") != "Bearer "+value {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Sec-WebSocket-Accept", base64.StdEncoding.EncodeToString(sum[:]))
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, both, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.Copy(conn, both)
		_ = conn.Close() // done with it
	}))
	conn := r.connect("http/1.1")
	in := bufio.NewReader(conn)
	_, _ = io.WriteString(conn, "GET /chat HTTP/1.1\r\nHost: "+host+"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer "+placeholder+"\r\n\r\n")
	if head := readRawHead(in); !strings.Contains(head, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") {
		t.Fatalf("%q", head)
	}
	for n := range 50 {
		frame := fmt.Sprintf("\x81\x8aGET %06d", n)
		_, _ = io.WriteString(conn, frame)
		got := make([]byte, len(frame))
		if _, err := io.ReadFull(in, got); err != nil || string(got) != frame {
			t.Fatalf("%q %v", got, err)
		}
	}
	_ = conn.CloseWrite() // then the other end is to come
	if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
		t.Errorf("%q %v", rest, err)
	}
}

func TestAnUpgradeThatIsDeclinedLeavesHTTP(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.WriteString(w, req.Header.Get("T"))
	}))
	conn := r.connect()
	in := bufio.NewReader(conn)
	for range 2 {
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+host+"\r\nUpgrade: x\r\nConnection: upgrade\r\nT: "+placeholder+"\r\n\r\n")
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(response.Body); string(body) != value {
			t.Errorf("%q", body)
		}
	}
}

func TestBigBodiesAreNotKept(t *testing.T) {
	const size = 64 << 20
	eachProtocol(t, func(t *testing.T, protocol string) {
		live := make(chan uint64, 1)
		r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			_ = http.NewResponseController(w).EnableFullDuplex() // HTTP/2 is anyhow
			_, _ = io.CopyN(io.Discard, req.Body, size/2)
			live <- liveBytes() // the guest goes on sending, and nobody reads
			n, _ := io.Copy(io.Discard, req.Body)
			_, _ = io.CopyN(w, zeros{}, size/2+n)
		}))
		client := r.client(protocol)
		before := liveBytes()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+host, io.LimitReader(zeros{}, size))
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close() //nolint:errcheck // read-only
		if during := <-live; during > before+size/8 {
			t.Errorf("%d bytes are live in the middle of an upload, %d before it", during, before)
		}
		_, _ = io.CopyN(io.Discard, response.Body, size/2)
		if during := liveBytes(); during > before+size/8 { // the host goes on sending, and nobody reads
			t.Errorf("%d bytes are live in the middle of a download, %d before it", during, before)
		}
		if n, err := io.Copy(io.Discard, response.Body); n != size/2 || err != nil {
			t.Errorf("%d %v", n, err)
		}
	})
}

func liveBytes() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func TestTheEndOfTheContextEndsBothConnections(t *testing.T) {
	eachProtocol(t, func(t *testing.T, protocol string) {
		gone := make(chan struct{})
		r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			_ = http.NewResponseController(w).Flush() // the client may be gone
			<-req.Context().Done()
			close(gone)
		}))
		response, err := r.client(protocol).Do(newRequest(t, http.MethodGet, "/", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close() //nolint:errcheck // read-only
		r.cancel()
		if _, err := io.ReadAll(response.Body); err == nil {
			t.Error("the guest takes the answer for a whole one")
		}
		<-gone
		if err := <-r.served; !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

func TestConnectionsEndWithTheSecretsThatTheyWereFor(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_ = http.NewResponseController(w).Flush() // the client may be gone
		<-req.Context().Done()
	}))
	response, err := r.client("h2").Do(newRequest(t, http.MethodGet, "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // read-only
	r.intercept.Close()
	if _, err := io.ReadAll(response.Body); err == nil {
		t.Error("the guest takes the answer for a whole one")
	}
	config := &tls.Config{ServerName: host, RootCAs: r.guest}
	if conn, err := tls.Dial("tcp", r.address, config); err == nil {
		_ = conn.Close() // it should not be
		t.Error("another connection is served")
	}
}

func TestAGuestThatGoesEndsItsRequest(t *testing.T) {
	eachProtocol(t, func(t *testing.T, protocol string) {
		gone := make(chan struct{})
		r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			_ = http.NewResponseController(w).Flush() // the client may be gone
			<-req.Context().Done()
			close(gone)
		}))
		response, err := r.client(protocol).Do(newRequest(t, http.MethodGet, "/", nil))
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close() // which breaks the exchange off
		<-gone
	})
}

func TestHTTP2WithoutNegotiationIsKnownByItsFirstBytes(t *testing.T) {
	internet := newTestAuthority(t)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true) // as far as net/http can see
	server := &http.Server{Protocols: protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.WriteString(w, req.Header.Get("T"))
	})}
	accepted := &oneConn{conns: make(chan net.Conn)}
	go func() { _ = server.Serve(accepted) }() // ends with accepted
	defer close(accepted.conns)
	upstream := tlsServer(t, internet, nil, func(conn *tls.Conn, _ *bufio.Reader) {
		accepted.conns <- struct{ net.Conn }{conn}
		<-t.Context().Done()
	})
	r := newRigTo(t, internet, upstream)
	transport := &http.Transport{Protocols: protocols, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return struct{ net.Conn }{r.connect()}, nil
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+host, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("T", placeholder)
	response, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // read-only
	if body, _ := io.ReadAll(response.Body); string(body) != value || response.ProtoMajor != 2 {
		t.Errorf("%s %q", response.Proto, body)
	}
}
