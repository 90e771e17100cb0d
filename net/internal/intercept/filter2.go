package intercept

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// Whoever sends more requests for other hosts than this on one connection is not merely confused.
	maxDropped = 1000
	// A frame with headers is in memory as a whole; all others pass through.
	maxHeaderFrameBytes = 2 * maxHeadBytes
)

// filter2 follows HTTP/2 on one connection: header blocks are decoded, changed and encoded anew, all other frames pass
// as they come. Windows, priorities and the number of streams stay a matter between the guest and the host.
type filter2 struct {
	name              string
	secrets           substitution
	guest, upstream   *side
	toGuest, toServer *frames2
	dropped           dropped
}

func newFilter2(name string, secrets substitution, guest, upstream *side) *filter2 {
	return &filter2{
		name: name, secrets: secrets, guest: guest, upstream: upstream,
		toGuest: newFrames2(guest.w), toServer: newFrames2(upstream.w),
	}
}

// run ends with the connection. Nothing reads from the host before upstreamReady.
func (f *filter2) run(upstreamReady <-chan struct{}) error {
	answers := make(chan error, 1)
	go func() {
		<-upstreamReady
		err := f.direction(f.upstream, f.toGuest, f.answer)
		_ = f.toGuest.flush() // the guest may be gone
		f.finish(err, f.guest)
		_ = f.guest.raw.SetReadDeadline(time.Now().Add(lingerLimit)) // nobody could answer more requests
		answers <- err
	}()
	_, err := io.CopyN(f.upstream.w, f.guest.r, int64(len(http2.ClientPreface)))
	if err == nil {
		err = f.direction(f.guest, f.toServer, f.request)
	}
	_ = f.toServer.flush() // the host may be gone
	f.finish(err, f.upstream)
	return errors.Join(err, <-answers)
}

// finish tells the other side of an end; a failure ends both.
func (f *filter2) finish(err error, other *side) {
	if err != nil {
		f.guest.close()
		f.upstream.close()
		return
	}
	other.closeWrite()
}

// direction passes frames on until src ends; headers handles those that have headers or settings in them.
func (f *filter2) direction(src *side, dst *frames2, handle func(http2.Frame) error) error {
	framer := http2.NewFramer(nil, src.r)
	framer.SetReuseFrames()
	framer.SetMaxReadFrameSize(1<<24 - 1)
	framer.ReadMetaHeaders = hpack.NewDecoder(headerTableBytes, nil)
	framer.MaxHeaderListSize = maxHeadBytes
	for {
		if src.r.Buffered() < frameHeaderBytes {
			if err := f.flush(); err != nil {
				return err
			}
		}
		header, err := framer.ReadFrameHeader()
		if err != nil {
			return endOf(err)
		}
		if src.r.Buffered() < int(header.Length) {
			if err := f.flush(); err != nil {
				return err
			}
		}
		if err := f.frame(header, framer, src, dst, handle); err != nil {
			return err
		}
	}
}

const (
	frameHeaderBytes = 9
	frameAltSvc      = http2.FrameType(0xa) // RFC 7838
)

func (f *filter2) flush() error { return errors.Join(f.toServer.flush(), f.toGuest.flush()) }

func (f *filter2) frame(header http2.FrameHeader, framer *http2.Framer, src *side, dst *frames2, handle func(http2.Frame) error) error {
	switch header.Type {
	case http2.FrameHeaders, http2.FrameSettings:
		if header.Length > maxHeaderFrameBytes {
			return errTooLarge
		}
		frame, err := framer.ReadFrameForHeader(header)
		var broken http2.StreamError
		if errors.As(err, &broken) {
			return f.drop(broken.StreamID, http2.ErrCodeProtocol)
		}
		if err != nil {
			return cutOff(err)
		}
		return handle(frame)
	case http2.FramePushPromise:
		return malformed("a push came, although it was declined")
	}
	// Of alternatives a host also speaks in a frame; see withoutAlternatives.
	if header.StreamID != 0 && f.dropped.has(header.StreamID) || header.Type == frameAltSvc && src == f.upstream {
		return f.swallow(header, src)
	}
	return dst.pass(header, src.r)
}

// request handles what comes from the guest.
func (f *filter2) request(frame http2.Frame) error {
	if settings, ok := frame.(*http2.SettingsFrame); ok {
		return f.settings(settings, f.toGuest, f.toServer, http2.Setting{ID: http2.SettingEnablePush, Val: 0})
	}
	headers, ok := frame.(*http2.MetaHeadersFrame)
	if !ok || f.dropped.has(headers.StreamID) {
		return nil
	}
	if headers.Truncated {
		return f.refuse(headers.StreamID, refusal{http.StatusRequestHeaderFieldsTooLarge, errTooLarge.Error()})
	}
	// Trailers, which have no pseudo headers, are not for values.
	if len(headers.PseudoFields()) > 0 {
		if refused := checkFields(headers.Fields, f.name); refused != nil {
			return f.refuse(headers.StreamID, *refused)
		}
		for i, field := range headers.Fields {
			if revealed := f.secrets.reveal(field.Name, field.Value); revealed != field.Value && !field.IsPseudo() {
				headers.Fields[i].Value, headers.Fields[i].Sensitive = revealed, true
			}
		}
	}
	f.dropped.open(headers.StreamID)
	return f.toServer.headers(headers.StreamID, headers.StreamEnded(), headers.Priority, headers.Fields)
}

// answer handles what comes from the host.
func (f *filter2) answer(frame http2.Frame) error {
	if settings, ok := frame.(*http2.SettingsFrame); ok {
		return f.settings(settings, f.toServer, f.toGuest)
	}
	headers, ok := frame.(*http2.MetaHeadersFrame)
	if !ok || f.dropped.has(headers.StreamID) {
		return nil
	}
	if headers.Truncated {
		return f.drop(headers.StreamID, http2.ErrCodeInternal)
	}
	kept := headers.Fields[:0]
	for _, field := range headers.Fields {
		if field.Name != "alt-svc" { // as in withoutAlternatives
			field.Value = f.secrets.restore(field.Name, field.Value)
			kept = append(kept, field)
		}
	}
	return f.toGuest.headers(headers.StreamID, headers.StreamEnded(), headers.Priority, kept)
}

// settings passes settings on. Header tables are ours on both sides, so their size stays here.
func (f *filter2) settings(frame *http2.SettingsFrame, back, on *frames2, extra ...http2.Setting) error {
	if frame.IsAck() {
		return on.with(func(framer *http2.Framer) error { return framer.WriteSettingsAck() })
	}
	var passed []http2.Setting
	for i := range frame.NumSettings() {
		switch setting := frame.Setting(i); setting.ID {
		case http2.SettingHeaderTableSize:
			back.table.Store(min(setting.Val, headerTableBytes))
		case http2.SettingEnablePush:
		default:
			passed = append(passed, setting)
		}
	}
	return on.with(func(framer *http2.Framer) error { return framer.WriteSettings(append(passed, extra...)...) })
}

// refuse answers a request itself. There is no body: the guest's window is the host's to fill.
func (f *filter2) refuse(stream uint32, r refusal) error {
	if err := f.dropped.add(stream); err != nil {
		return err
	}
	err := f.toGuest.headers(stream, true, http2.PriorityParam{}, []hpack.HeaderField{
		{Name: ":status", Value: strconv.Itoa(r.status)}, {Name: "content-length", Value: "0"}, {Name: refusalField, Value: r.Error()},
	})
	if err != nil {
		return err
	}
	return f.toGuest.with(func(framer *http2.Framer) error { return framer.WriteRSTStream(stream, http2.ErrCodeNo) })
}

// drop ends a stream on both sides.
func (f *filter2) drop(stream uint32, code http2.ErrCode) error {
	if err := f.dropped.add(stream); err != nil {
		return err
	}
	reset := func(framer *http2.Framer) error { return framer.WriteRSTStream(stream, code) }
	if f.dropped.opened(stream) {
		if err := f.toServer.with(reset); err != nil {
			return err
		}
	}
	return f.toGuest.with(reset)
}

// swallow reads a frame of a dropped stream. Its data took of the connection's window, which the sender gets back.
func (f *filter2) swallow(header http2.FrameHeader, src *side) error {
	if _, err := src.r.Discard(int(header.Length)); err != nil {
		return cutOff(err)
	}
	if header.Type != http2.FrameData || header.Length == 0 {
		return nil
	}
	back := f.toGuest
	if src == f.upstream {
		back = f.toServer
	}
	return back.with(func(framer *http2.Framer) error { return framer.WriteWindowUpdate(0, header.Length) })
}
