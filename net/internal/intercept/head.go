package intercept

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// What the head of one message may have, all lines together.
const maxHeadBytes = 256 << 10

// reading says what is accepted in a head. Requests are read strictly: what two readers could take for two different
// things could have a value sent for another host. Of responses the guest is the judge.
type reading bool

const (
	strict  reading = true
	lenient reading = false
)

// malformed is a message that does not go on; its text quotes nothing of the message.
type malformed string

func (m malformed) Error() string { return string(m) }

const errTooLarge = malformed("the head has more than 256 KiB")

// head is an HTTP/1 message up to its body, its fields in their order and with their names as written.
type head struct {
	start  string
	fields []field
}

type field struct{ name, value string }

// readHead reads a head. io.EOF: there is no further message.
func readHead(r *bufio.Reader, how reading) (head, error) {
	var h head
	var err error
	budget := maxHeadBytes
	for range 2 { // RFC 9112 has one empty line before a message be ignored
		if h.start, err = readLine(r, how, &budget); err != nil || h.start != "" {
			break
		}
	}
	if err == nil {
		h.fields, err = readFields(r, how, &budget)
	}
	return h, err
}

// readFields reads the fields of a head or of trailers, and the empty line after them.
func readFields(r *bufio.Reader, how reading, budget *int) ([]field, error) {
	var fields []field
	for {
		line, err := readLine(r, how, budget)
		if err != nil {
			return nil, cutOff(err)
		}
		if line == "" {
			return fields, nil
		}
		if line[0] == ' ' || line[0] == '\t' {
			if how == strict || len(fields) == 0 {
				return nil, malformed("a header begins with a space")
			}
			fields[len(fields)-1].value += " " + strings.Trim(line, " \t")
			continue
		}
		name, value, found := strings.Cut(line, ":")
		if !found || !httpguts.ValidHeaderFieldName(name) {
			return nil, malformed("a header has no valid name")
		}
		fields = append(fields, field{name, strings.Trim(value, " \t")})
	}
}

// readLine reads a line without its end. A strict line ends with CR LF and has no control characters.
func readLine(r *bufio.Reader, how reading, budget *int) (string, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if *budget -= len(part); *budget < 0 {
			return "", errTooLarge
		}
		line = append(line, part...)
		if err == nil {
			break
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if len(line) > 0 {
			return "", cutOff(err)
		}
		return "", err
	}
	text, ended := strings.CutSuffix(string(line), "\r\n")
	if !ended {
		if how == strict {
			return "", malformed("a line does not end with CR LF")
		}
		text = strings.TrimSuffix(text, "\n")
	}
	if strings.ContainsFunc(text, func(c rune) bool { return isControl(c) && c != '\t' }) {
		return "", malformed("a line has a control character")
	}
	return text, nil
}

// write writes the head, each field's value as change gives it.
func (h head) write(w *bufio.Writer, change func(name, value string) string) error {
	_, _ = fmt.Fprintf(w, "%s\r\n", h.start) // the error stays with w
	return writeFields(w, h.fields, change)
}

func writeFields(w *bufio.Writer, fields []field, change func(name, value string) string) error {
	for _, f := range fields {
		_, _ = fmt.Fprintf(w, "%s: %s\r\n", f.name, change(f.name, f.value)) // likewise
	}
	if _, err := w.WriteString("\r\n"); err != nil {
		return writeError{err}
	}
	return nil
}

// values are those of all fields of a name.
func (h head) values(name string) []string {
	var found []string
	for _, f := range h.fields {
		if strings.EqualFold(f.name, name) {
			found = append(found, f.value)
		}
	}
	return found
}

func unchanged(_, value string) string { return value }
