package intercept

import (
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"os"
	"sync"
	"time"
)

// More requests than this without an answer wait in the guest.
const maxPipelined = 64

// filter1 follows HTTP/1 on one connection: values go into the heads of requests, all else passes as it comes.
type filter1 struct {
	name            string
	secrets         substitution
	guest, upstream *side
	unanswered      chan *exchange
	answering       sync.Mutex    // held by whoever writes an answer to the guest
	over            chan struct{} // closed when the host says no more
	tunnel          bool          // the protocol was switched; written before over is closed
}

// exchange is a request that went to the host.
type exchange struct {
	method   string
	upgrade  bool
	switched bool          // to another protocol; written before answered is closed
	answered chan struct{} // closed when the guest has the whole answer
}

func newFilter1(name string, secrets substitution, guest, upstream *side) *filter1 {
	return &filter1{
		name: name, secrets: secrets, guest: guest, upstream: upstream,
		unanswered: make(chan *exchange, maxPipelined), over: make(chan struct{}),
	}
}

// run ends with the connection. Nothing reads from the host before upstreamReady.
func (f *filter1) run(upstreamReady <-chan struct{}) error {
	answers := make(chan error, 1)
	go func() {
		<-upstreamReady
		err := f.responses()
		f.guest.closeWrite()
		close(f.over)
		if !f.tunnel { // nobody could answer more requests
			f.upstream.close()
			_ = f.guest.raw.SetReadDeadline(time.Now().Add(lingerLimit))
		}
		answers <- err
	}()
	err := f.requests()
	var refused refusal
	switch {
	case errors.As(err, &refused):
		f.upstream.close()
		<-answers
		return refused
	case isWriteError(err): // the host takes no more; what it answered is on its way
		_, _ = io.Copy(io.Discard, f.guest.r)
	case err != nil && !f.ended():
		f.guest.close()
		f.upstream.close()
		<-answers
		return err
	}
	return <-answers
}

func (f *filter1) ended() bool {
	select {
	case <-f.over:
		return true
	default:
		return false
	}
}

// requests passes requests on until the guest sends no more, or one does not go on.
func (f *filter1) requests() error {
	var last *exchange
	for {
		h, err := readHead(f.guest.r, strict)
		if errors.Is(err, io.EOF) {
			f.upstream.closeWrite()
			return nil
		}
		var broken malformed
		if errors.As(err, &broken) {
			return f.refuse(last, *badRequest(broken.Error()))
		}
		if err != nil {
			return err
		}
		r, refused := parseRequest(h, f.name)
		if refused != nil {
			return f.refuse(last, *refused)
		}
		last = &exchange{method: r.method, upgrade: r.upgrade, answered: make(chan struct{})}
		if err := f.pass(r, last); err != nil {
			return err
		}
		if r.upgrade && f.awaitAnswer(last) && last.switched {
			return relayOne(f.upstream, f.guest)
		}
	}
}

// pass sends one request to the host.
func (f *filter1) pass(r request, e *exchange) error {
	select {
	case f.unanswered <- e:
	case <-f.over:
		return writeError{io.ErrClosedPipe}
	}
	if err := r.write(f.upstream.w, f.secrets.reveal); err != nil {
		return err
	}
	if err := f.upstream.w.Flush(); err != nil {
		return writeError{err}
	}
	return passBody(f.upstream, f.guest, r.length, strict, unchanged)
}

// refuse answers a request itself, after the answers to all before it, and ends the connection.
func (f *filter1) refuse(last *exchange, r refusal) error {
	if last == nil || f.awaitAnswer(last) {
		f.answering.Lock()
		writeRefusal(f.guest, r)
		f.answering.Unlock()
	}
	f.guest.closeWrite()
	f.guest.drain()
	return r
}

func (f *filter1) awaitAnswer(e *exchange) bool {
	select {
	case <-e.answered:
		return true
	case <-f.over:
		return false
	}
}

// responses passes answers on until the host sends no more.
func (f *filter1) responses() error {
	for {
		first, err := f.upstream.r.Peek(1)
		if len(first) == 0 {
			return endOf(err)
		}
		f.answering.Lock()
		goesOn, err := f.respond(f.next())
		f.answering.Unlock()
		if err != nil || !goesOn {
			return err
		}
	}
}

// next is the request that the host answers now. Hosts also say something unasked, before they close for instance.
func (f *filter1) next() *exchange {
	select {
	case e := <-f.unanswered:
		return e
	default:
		return &exchange{method: http.MethodGet, answered: make(chan struct{})}
	}
}

// respond passes one answer on, with the interim ones before it.
func (f *filter1) respond(e *exchange) (goesOn bool, err error) {
	for {
		h, err := readHead(f.upstream.r, lenient)
		if err != nil {
			return false, cutOff(err)
		}
		r, err := parseResponse(h, e.method)
		if err != nil {
			return false, err
		}
		if err := r.withoutAlternatives().write(f.guest.w, f.secrets.restore); err != nil {
			return false, err
		}
		if err := f.guest.w.Flush(); err != nil {
			return false, writeError{err}
		}
		if r.interim() {
			continue
		}
		if r.status == http.StatusSwitchingProtocols {
			return false, f.switchOver(e)
		}
		err = passBody(f.guest, f.upstream, r.length, lenient, f.secrets.restore)
		if err == nil {
			close(e.answered)
		}
		return r.length != untilClose, err
	}
}

// switchOver passes on what the host says in the protocol that it and the guest agreed on.
func (f *filter1) switchOver(e *exchange) error {
	if !e.upgrade {
		return malformed("the host switches protocols unasked")
	}
	e.switched, f.tunnel = true, true
	close(e.answered)
	return carry(f.guest.w, f.guest.w.Flush, f.upstream.r)
}

// passBody passes a body of this length on, and its trailers as change gives them.
func passBody(dst, src *side, length int64, how reading, change func(name, value string) string) error {
	switch length {
	case untilClose:
		return carry(dst.w, dst.w.Flush, src.r)
	case chunked:
		return passChunks(dst, src, how, change)
	}
	body := &io.LimitedReader{R: src.r, N: length}
	err := carry(dst.w, dst.w.Flush, body)
	if err == nil && body.N > 0 {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// passChunks writes the chunks anew, so that nobody finds another end of the body than we did.
func passChunks(dst, src *side, how reading, change func(name, value string) string) error {
	chunks := httputil.NewChunkedWriter(dst.w)
	if err := carry(chunks, dst.w.Flush, httputil.NewChunkedReader(src.r)); err != nil {
		return err
	}
	budget := maxHeadBytes
	trailers, err := readFields(src.r, how, &budget)
	if err != nil {
		return err
	}
	for _, f := range trailers {
		if equalFold(f.name, "host", "content-length", "transfer-encoding") {
			return malformed("a trailer has what only a head can have")
		}
	}
	_ = chunks.Close() // the error stays with dst.w
	if err := writeFields(dst.w, trailers, change); err != nil {
		return err
	}
	if err := dst.w.Flush(); err != nil {
		return writeError{err}
	}
	return nil
}

// cutOff is a message's end in its midst.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// endOf is nil where an end was to be expected: the peer's, or that of the time it had left.
func endOf(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}
