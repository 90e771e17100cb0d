package intercept

import (
	"net/http"
	"strconv"
	"strings"
)

// untilClose as a length: the body is all that comes.
const untilClose = -2

// response is the head of an HTTP/1 response.
type response struct {
	head
	status int
	length int64 // of the body in bytes, or chunked, or untilClose
}

// parseResponse reads the answer to a request with this method.
func parseResponse(h head, method string) (response, error) {
	version, rest, _ := strings.Cut(h.start, " ")
	code, _, _ := strings.Cut(rest, " ")
	status, err := strconv.Atoi(code)
	if !strings.HasPrefix(version, "HTTP/1.") || err != nil || status < 100 || status > 999 {
		return response{}, malformed("the host's answer has no status line")
	}
	r := response{head: h, status: status}
	if r.interim() || status == http.StatusSwitchingProtocols || method == http.MethodHead ||
		status == http.StatusNoContent || status == http.StatusNotModified {
		return r, nil
	}
	r.length, err = responseLength(h)
	return r, err
}

// interim responses have another one after them.
func (r response) interim() bool {
	return r.status < 200 && r.status != http.StatusSwitchingProtocols
}

func responseLength(h head) (int64, error) {
	if encodings := h.values("transfer-encoding"); len(encodings) > 0 {
		all := strings.Split(strings.Join(encodings, ","), ",")
		if strings.EqualFold(strings.TrimSpace(all[len(all)-1]), "chunked") {
			return chunked, nil
		}
		return untilClose, nil
	}
	lengths := h.values("content-length")
	if len(lengths) == 0 {
		return untilClose, nil
	}
	for _, other := range lengths[1:] {
		if other != lengths[0] {
			return 0, malformed("the host's answer has two lengths")
		}
	}
	return parseLength(lengths[0])
}

// withoutAlternatives drops where else the host says it is: over QUIC nothing would be put in for a placeholder.
func (r response) withoutAlternatives() response {
	kept := make([]field, 0, len(r.fields))
	for _, f := range r.fields {
		if !strings.EqualFold(f.name, "alt-svc") {
			kept = append(kept, f)
		}
	}
	r.fields = kept
	return r
}
