package intercept

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// end2 is one end of an HTTP/2 connection, frame by frame.
type end2 struct {
	t       *testing.T
	framer  *http2.Framer
	block   bytes.Buffer
	encoder *hpack.Encoder
}

func newEnd2(t *testing.T, conn io.ReadWriter) *end2 {
	e := &end2{t: t, framer: http2.NewFramer(conn, conn)}
	e.encoder = hpack.NewEncoder(&e.block)
	e.framer.ReadMetaHeaders = hpack.NewDecoder(headerTableBytes, nil)
	return e
}

// send writes a header block; "name", "value", ...
func (e *end2) send(stream uint32, end bool, fields ...string) {
	e.t.Helper()
	e.block.Reset()
	for pair := range slices.Chunk(fields, 2) {
		_ = e.encoder.WriteField(hpack.HeaderField{Name: pair[0], Value: pair[1]}) // into memory
	}
	half := e.block.Len() / 2 // so that it takes two frames
	e.must(e.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, EndStream: end, BlockFragment: e.block.Bytes()[:half]}))
	e.must(e.framer.WriteContinuation(stream, true, e.block.Bytes()[half:]))
}

// next is the next frame but settings of the connection's begin, in words.
func (e *end2) next() string {
	e.t.Helper()
	frame, err := e.framer.ReadFrame()
	if err != nil {
		return err.Error()
	}
	switch f := frame.(type) {
	case *http2.MetaHeadersFrame:
		var fields []string
		for _, field := range f.Fields {
			fields = append(fields, field.Name+"="+field.Value)
		}
		return fmt.Sprintf("HEADERS %d %v %s", f.StreamID, f.StreamEnded(), strings.Join(fields, " "))
	case *http2.DataFrame:
		return fmt.Sprintf("DATA %d %v %s of %d", f.StreamID, f.StreamEnded(), f.Data(), f.Length)
	case *http2.SettingsFrame:
		var all []string
		_ = f.ForeachSetting(func(s http2.Setting) error { // which never fails
			all = append(all, s.String())
			return nil
		})
		return fmt.Sprintf("SETTINGS %v %s", f.IsAck(), strings.Join(all, " "))
	case *http2.PingFrame:
		return fmt.Sprintf("PING %v %s", f.IsAck(), f.Data[:])
	case *http2.GoAwayFrame:
		return fmt.Sprintf("GOAWAY %d %v %s", f.LastStreamID, f.ErrCode, f.DebugData())
	case *http2.WindowUpdateFrame:
		return fmt.Sprintf("WINDOW_UPDATE %d %d", f.StreamID, f.Increment)
	case *http2.RSTStreamFrame:
		return fmt.Sprintf("RST_STREAM %d %v", f.StreamID, f.ErrCode)
	case *http2.UnknownFrame:
		return fmt.Sprintf("unknown %d %s", f.Type, f.Payload())
	}
	return fmt.Sprintf("%T", frame)
}

func (e *end2) expect(want string) {
	e.t.Helper()
	if got := e.next(); got != want {
		e.t.Fatalf("%s, not %s", got, want)
	}
}

func (e *end2) must(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

// bothEnds are a guest and a host that have said who they are.
func bothEnds(t *testing.T, guestSettings, hostSettings []http2.Setting) (guest, upstream *end2) {
	t.Helper()
	internet := newTestAuthority(t)
	accepted := make(chan *tls.Conn)
	address := tlsServer(t, internet, []string{"h2"}, func(conn *tls.Conn, _ *bufio.Reader) {
		accepted <- conn
		<-t.Context().Done()
	})
	conn := newRigTo(t, internet, address).connect("h2")
	guest, server := newEnd2(t, conn), <-accepted
	upstream = newEnd2(t, server)
	_, err := io.WriteString(conn, http2.ClientPreface)
	guest.must(err)
	guest.must(guest.framer.WriteSettings(guestSettings...))
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(server, preface); err != nil || string(preface) != http2.ClientPreface {
		t.Fatalf("%q %v", preface, err)
	}
	upstream.must(upstream.framer.WriteSettings(hostSettings...))
	return guest, upstream
}

func request2(more ...string) []string {
	return append([]string{":method", "POST", ":scheme", "https", ":authority", host, ":path", "/"}, more...)
}

func TestFramesPassAsTheyAreInTheirOrder(t *testing.T) {
	guest, upstream := bothEnds(t,
		[]http2.Setting{{ID: http2.SettingHeaderTableSize, Val: 0}, {ID: http2.SettingInitialWindowSize, Val: 123}, {ID: http2.SettingEnablePush, Val: 1}},
		[]http2.Setting{{ID: http2.SettingHeaderTableSize, Val: 64 << 10}, {ID: http2.SettingMaxConcurrentStreams, Val: 7}})
	upstream.expect("SETTINGS false [INITIAL_WINDOW_SIZE = 123] [ENABLE_PUSH = 0]")
	guest.expect("SETTINGS false [MAX_CONCURRENT_STREAMS = 7]")
	guest.framer.ReadMetaHeaders.SetMaxDynamicTableSize(0) // as it has said
	guest.must(guest.framer.WriteSettingsAck())
	upstream.expect("SETTINGS true ")

	guest.send(1, false, request2("z", placeholder, "a", "1", "cookie", "x="+placeholder)...)
	upstream.expect("HEADERS 1 false :method=POST :scheme=https :authority=" + host + " :path=/ z=" + value + " a=1 cookie=x=" + value)
	guest.must(guest.framer.WriteDataPadded(1, false, []byte(placeholder), make([]byte, 9)))
	upstream.expect(fmt.Sprintf("DATA 1 false %s of %d", placeholder, len(placeholder)+10))
	guest.must(guest.framer.WriteRawFrame(0xfa, 3, 1, []byte("extension")))
	upstream.expect("unknown 250 extension")
	guest.must(guest.framer.WritePing(false, [8]byte([]byte("pingping"))))
	upstream.expect("PING false pingping")
	guest.must(guest.framer.WriteWindowUpdate(0, 99))
	upstream.expect("WINDOW_UPDATE 0 99")
	guest.send(1, true, "checksum", placeholder)
	upstream.expect("HEADERS 1 true checksum=" + placeholder)

	for range 3 { // the table that the guest does not want is not used
		upstream.send(1, false, ":status", "103", "link", value, "alt-svc", "h3")
		guest.expect("HEADERS 1 false :status=103 link=" + placeholder)
	}
	upstream.must(upstream.framer.WriteRawFrame(frameAltSvc, 0, 1, []byte("\x00\x00h3=\":443\"")))
	upstream.send(1, false, ":status", "200")
	guest.expect("HEADERS 1 false :status=200")
	upstream.must(upstream.framer.WriteRSTStream(1, http2.ErrCodeRefusedStream))
	guest.expect("RST_STREAM 1 REFUSED_STREAM")
	upstream.must(upstream.framer.WriteGoAway(1, http2.ErrCodeEnhanceYourCalm, []byte("bye")))
	guest.expect("GOAWAY 1 ENHANCE_YOUR_CALM bye")
}

func TestARequestThatIsRefusedLeavesNothingForTheHost(t *testing.T) {
	cases := map[string]struct {
		status string
		fields []string
	}{
		"another authority":       {"421", []string{":method", "GET", ":scheme", "https", ":authority", "evil.example.com", ":path", "/"}},
		"another host beside it":  {"421", request2("host", "evil.example.com")},
		"no authority":            {"421", []string{":method", "GET", ":scheme", "https", ":path", "/"}},
		"a tunnel":                {"421", []string{":method", "CONNECT", ":authority", host}},
		"a user in the authority": {"421", []string{":method", "GET", ":scheme", "https", ":authority", "a@" + host, ":path", "/"}},
		"an URL as the path":      {"400", []string{":method", "GET", ":scheme", "https", ":authority", host, ":path", "https://evil.example.com/"}},
		"a space in the path":     {"400", []string{":method", "GET", ":scheme", "https", ":authority", host, ":path", "/ HTTP/1.1"}},
		"a space in the method":   {"400", []string{":method", "GET / HTTP/1.1", ":scheme", "https", ":authority", host, ":path", "/"}},
		"another scheme":          {"400", []string{":method", "GET", ":scheme", "https://evil/", ":authority", host, ":path", "/"}},
		"chunks":                  {"400", request2("transfer-encoding", "chunked")},
		"an upgrade":              {"400", request2("upgrade", "h2c")},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			guest, upstream := bothEnds(t, nil, nil)
			upstream.expect("SETTINGS false [ENABLE_PUSH = 0]")
			guest.expect("SETTINGS false ")
			guest.send(1, false, append(c.fields, "x", placeholder)...)
			if got := guest.next(); !strings.HasPrefix(got, "HEADERS 1 true :status="+c.status+" content-length=0 "+refusalField+"=ember: ") || strings.Contains(got, "evil") {
				t.Errorf("%s", got)
			}
			guest.expect("RST_STREAM 1 NO_ERROR")
			guest.must(guest.framer.WriteData(1, false, []byte("dropped")))
			guest.expect("WINDOW_UPDATE 0 7")
			guest.must(guest.framer.WriteWindowUpdate(1, 5))
			guest.send(1, true, "trailer", "x")
			guest.send(3, true, request2()...)
			upstream.expect("HEADERS 3 true :method=POST :scheme=https :authority=" + host + " :path=/")
		})
	}
}

func TestABrokenHeaderBlockEndsItsStreamAlone(t *testing.T) {
	guest, upstream := bothEnds(t, nil, nil)
	upstream.expect("SETTINGS false [ENABLE_PUSH = 0]")
	guest.expect("SETTINGS false ")
	guest.send(1, false, request2()...)
	upstream.expect("HEADERS 1 false :method=POST :scheme=https :authority=" + host + " :path=/")
	guest.framer.AllowIllegalWrites = true
	guest.send(3, false, request2("x", "a\r\nhost: evil")...)
	guest.expect("RST_STREAM 3 PROTOCOL_ERROR")
	guest.send(1, true, "x", "a\x00b")
	guest.expect("RST_STREAM 1 PROTOCOL_ERROR")
	upstream.expect("RST_STREAM 1 PROTOCOL_ERROR")
	guest.send(5, true, request2("x", placeholder)...)
	upstream.expect("HEADERS 5 true :method=POST :scheme=https :authority=" + host + " :path=/ x=" + value)
	upstream.framer.AllowIllegalWrites = true
	upstream.send(5, false, ":status", "200", "X-Upper", "a")
	guest.expect("RST_STREAM 5 PROTOCOL_ERROR")
	upstream.expect("RST_STREAM 5 PROTOCOL_ERROR")
	upstream.must(upstream.framer.WriteData(5, true, []byte("late")))
	upstream.expect("WINDOW_UPDATE 0 4")
}

func TestAPushThatNobodyWantsEndsTheConnection(t *testing.T) {
	guest, upstream := bothEnds(t, nil, nil)
	guest.expect("SETTINGS false ")
	upstream.must(upstream.framer.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2, EndHeaders: true}))
	if got := guest.next(); !strings.Contains(got, "EOF") && !strings.Contains(got, "reset") {
		t.Errorf("%s", got)
	}
}
