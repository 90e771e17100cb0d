package intercept

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// What passes our checks is read in the same way by another reader of HTTP, and for the same host.
func FuzzRequestsAreReadAlike(f *testing.F) {
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n",
		"POST https://" + host + "/?a HTTP/1.1\r\nHost: " + host + ":443\r\nContent-Length: 3\r\n\r\nabc",
		"PUT * HTTP/1.0\r\nhost:" + host + ".\r\nX: \xc3\xa9\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: " + host + "\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\nGET /",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		in := bufio.NewReader(bytes.NewReader(data))
		h, err := readHead(in, strict)
		if err != nil {
			return
		}
		r, refused := parseRequest(h, host)
		if refused != nil {
			return
		}
		var out bytes.Buffer
		here, there := &side{r: in}, &side{w: bufio.NewWriter(&out)}
		if r.write(there.w, unchanged) != nil || passBody(there, here, r.length, strict, unchanged) != nil {
			return
		}
		_ = there.w.Flush() // it is memory
		reader := bufio.NewReader(&out)
		read, err := http.ReadRequest(reader)
		if err != nil {
			// It is stricter about the inside of paths and of some values; then nothing was read differently.
			return
		}
		if !isAuthority(read.Host, host) {
			t.Errorf("for %q: %q", read.Host, data)
		}
		if _, err := io.Copy(io.Discard, read.Body); err != nil && !strings.Contains(err.Error(), "invalid trailer") && !errors.Is(err, http.ErrBodyReadAfterClose) {
			t.Errorf("%v: %q", err, data)
			return
		}
		if err == nil && reader.Buffered() > 0 && read.Method != http.MethodConnect {
			t.Errorf("%d bytes are left for a second request: %q", reader.Buffered(), data)
		}
	})
}
