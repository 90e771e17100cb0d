package inspect

import (
	"bytes"
	"strconv"
	"strings"
)

// headers are those that say whom a request is for and where it ends.
type headers struct {
	host    string
	hosted  bool
	length  int64 // -1 without one
	chunked bool
	upgrade bool
}

// add reads one header line. drop: the line asks for HTTP/2 without TLS, in which later requests could not be looked at;
// servers ignore the wish most often, so it is left out.
func (h *headers) add(line string) (drop bool, err error) {
	name, value, ok := strings.Cut(line, ":")
	if !ok || !isToken([]byte(name)) {
		return false, malformed("a header is not NAME: VALUE")
	}
	value = strings.Trim(value, " \t")
	switch strings.ToLower(name) {
	case "host":
		if h.hosted {
			return false, malformed("it has two Hosts")
		}
		h.hosted, h.host = true, value
	case "content-length":
		if h.length >= 0 {
			return false, malformed("it has two Content-Lengths")
		}
		if h.length, ok = decimal(value); !ok {
			return false, malformed("its Content-Length is no number")
		}
	case "transfer-encoding":
		if h.chunked || !strings.EqualFold(value, "chunked") {
			return false, malformed("its Transfer-Encoding is not chunked alone")
		}
		h.chunked = true
	case "upgrade":
		if asksHTTP2(value) {
			return true, nil
		}
		h.upgrade = true
	case "http2-settings":
		return true, nil
	}
	return false, nil
}

// decimal: digits alone, unlike strconv's.
func decimal(text string) (int64, bool) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

func asksHTTP2(upgrade string) bool {
	for protocol := range strings.SplitSeq(strings.ToLower(upgrade), ",") {
		protocol = strings.TrimSpace(protocol)
		if strings.HasPrefix(protocol, "h2") || strings.HasPrefix(protocol, "http/") {
			return true
		}
	}
	return false
}

func withoutHTTP2(head []byte) []byte {
	kept := make([]byte, 0, len(head))
	for line := range bytes.SplitAfterSeq(head, []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		lower := strings.ToLower(string(name))
		if lower == "http2-settings" || lower == "upgrade" && asksHTTP2(string(value)) {
			continue
		}
		kept = append(kept, line...)
	}
	return kept
}
