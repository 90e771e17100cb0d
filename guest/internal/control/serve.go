// Package control answers the host's questions and orders: one JSON object per
// line, over the SSH subsystem "ember-control".
package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxLine bounds a request; anything longer is skipped and answered with an error.
const maxLine = 1 << 20

// Error codes are for ever.
const (
	codeMalformed = "malformed"
	codeTooLong   = "too-long"
	codeUnknown   = "unknown-method"
	codeParams    = "bad-params"
	codeFailed    = "failed"
)

type request struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

type response struct {
	ID     json.RawMessage `json:"id"`
	Result any             `json:"result,omitempty"`
	Error  *failure        `json:"error,omitempty"`
}

type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (f *failure) Error() string { return f.Message }

// reply is a result together with what to do once the host has it.
type reply struct {
	result any
	after  func()
}

type method func(params json.RawMessage) (reply, error)

// Serve answers requests in order until the stream ends. What was asked before
// that is answered; a trim is cut short.
func (m *Machine) Serve(stream io.ReadWriter) {
	open, hangUp := context.WithCancel(context.Background())
	defer hangUp()
	talk := &conversation{Machine: m, open: open}
	defer talk.end()
	methods := talk.methods()
	served := make(chan struct{})
	defer close(served)
	for request := range listenTo(stream, served, hangUp) {
		if request.err != nil {
			if !send(stream, response{Error: &failure{codeTooLong, request.err.Error()}}) {
				return
			}
			continue
		}
		line := bytes.TrimSpace(request.line)
		if len(line) == 0 {
			continue
		}
		answer, after := answer(methods, line)
		if !send(stream, answer) {
			return
		}
		if after != nil {
			after()
		}
	}
}

// read is a line, or errTooLong in the place of one.
type read struct {
	line []byte
	err  error
}

// listenTo reads one line ahead, so that the stream's end is noticed, and told
// by hangUp, while a request is being answered.
func listenTo(stream io.Reader, served <-chan struct{}, hangUp func()) <-chan read {
	lines := make(chan read)
	go func() {
		defer close(lines)
		defer hangUp()
		reader := bufio.NewReaderSize(stream, 64<<10)
		for {
			line, err := readLine(reader)
			ended := err != nil && !errors.Is(err, errTooLong)
			if ended {
				hangUp()
				err = nil // what came before the end is answered
			}
			select {
			case lines <- read{line, err}:
			case <-served:
				return
			}
			if ended {
				return
			}
		}
	}()
	return lines
}

func answer(methods map[string]method, line []byte) (response, func()) {
	var r request
	if err := json.Unmarshal(line, &r); err != nil {
		return response{Error: &failure{codeMalformed, "request is not a JSON object: " + err.Error()}}, nil
	}
	run := methods[r.Method]
	if run == nil {
		return response{ID: r.ID, Error: &failure{codeUnknown, fmt.Sprintf("unknown method %q", r.Method)}}, nil
	}
	done, err := run(r.Params)
	if err != nil {
		var f *failure
		if !errors.As(err, &f) {
			f = &failure{codeFailed, err.Error()}
		}
		return response{ID: r.ID, Error: f}, nil
	}
	if done.result == nil {
		done.result = struct{}{}
	}
	return response{ID: r.ID, Result: done.result}, done.after
}

func send(w io.Writer, r response) bool {
	if r.ID == nil {
		r.ID = json.RawMessage("null")
	}
	data, err := json.Marshal(r)
	if err != nil {
		data, _ = json.Marshal(response{ID: r.ID, Error: &failure{codeFailed, err.Error()}})
	}
	_, err = w.Write(append(data, '\n'))
	return err == nil
}

var errTooLong = fmt.Errorf("request is longer than %d bytes", maxLine)

// readLine returns one line, or errTooLong once the whole long line was skipped.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	long := false
	for {
		chunk, err := r.ReadSlice('\n')
		if !long {
			line = append(line, chunk...)
		}
		if len(line) > maxLine {
			long, line = true, nil
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if long {
			return nil, errTooLong
		}
		return line, err
	}
}

// params decodes a method's parameters; absent ones leave the zero value.
func params[T any](raw json.RawMessage) (T, error) {
	var value T
	if len(raw) == 0 {
		return value, nil
	}
	if err := json.Unmarshal(raw, &value); err != nil {
		return value, &failure{codeParams, err.Error()}
	}
	return value, nil
}
