package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"

	"ember.dev/net/internal/fault"
	"ember.dev/net/internal/guest"
	"ember.dev/net/internal/installation"
	"ember.dev/net/internal/intercept"
	"ember.dev/net/internal/policy"
	"ember.dev/net/internal/publish"
	"ember.dev/net/internal/version"
)

type result = map[string]any

// handle does what one line asks for.
func (s *Server) handle(line []byte) (result, error) {
	var request struct {
		Op string `json:"op"`
	}
	if err := json.Unmarshal(line, &request); err != nil {
		return nil, fault.New(fault.Usage, "the request is no JSON object: %s", err)
	}
	operation, ok := operations[request.Op]
	if !ok {
		return nil, fault.New(fault.Unsupported, "there is no operation '%s'", request.Op)
	}
	return operation(s, line)
}

var operations = map[string]func(*Server, []byte) (result, error){
	"hello":     (*Server).hello,
	"configure": (*Server).configure,
	"attach":    (*Server).attach,
	"detach":    (*Server).detach,
	"publish":   (*Server).publish,
	"policy":    (*Server).policy,
	"status":    (*Server).status,
	"flows":     (*Server).flows,
	"forget":    (*Server).forget,
}

// operation is what each request has.
type operation struct {
	Op string `json:"op"`
}

// about is of requests about one VM.
type about struct {
	operation
	ID string `json:"id"`
}

// parse refuses what the request does not have.
func parse(line []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fault.New(fault.Usage, "the request is not understood: %s", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fault.New(fault.Usage, "something follows the request on its line")
	}
	return nil
}

func (s *Server) hello(line []byte) (result, error) {
	return result{
		"protocol": version.Protocol, "version": version.Number, "pid": os.Getpid(), "startedAt": s.started,
	}, parse(line, &operation{})
}

func (s *Server) configure(line []byte) (result, error) {
	var request struct {
		operation
		installation.Configuration
	}
	if err := parse(line, &request); err != nil {
		return nil, err
	}
	return nil, s.network.Configure(request.Configuration)
}

func (s *Server) attach(line []byte) (result, error) {
	var request struct {
		operation
		VM guest.Settings `json:"vm"`
	}
	if err := parse(line, &request); err != nil {
		return nil, err
	}
	return nil, s.network.Attach(request.VM)
}

func (s *Server) detach(line []byte) (result, error) {
	var request about
	if err := parse(line, &request); err != nil {
		return nil, err
	}
	s.network.Detach(request.ID)
	return nil, nil
}

func (s *Server) publish(line []byte) (result, error) {
	var request struct {
		about
		Ports []publish.Port `json:"ports"`
	}
	if err := parse(line, &request); err != nil {
		return nil, err
	}
	return nil, s.network.Publish(request.ID, request.Ports)
}

func (s *Server) policy(line []byte) (result, error) {
	var request struct {
		about
		Policy    policy.Policy        `json:"policy"`
		Secrets   []intercept.Secret   `json:"secrets"`
		Authority *intercept.Authority `json:"authority"`
	}
	if err := parse(line, &request); err != nil {
		return nil, err
	}
	return nil, s.network.SetPolicy(request.ID, request.Policy, request.Authority, request.Secrets)
}

func (s *Server) status(line []byte) (result, error) {
	if err := parse(line, &operation{}); err != nil {
		return nil, err
	}
	return result{"vms": s.network.Status()}, nil
}

func (s *Server) flows(line []byte) (result, error) {
	var request about
	if err := parse(line, &request); err != nil {
		return nil, err
	}
	flows, err := s.network.Flows(request.ID)
	return result{"flows": flows}, err
}

func (s *Server) forget(line []byte) (result, error) {
	var request about
	if err := parse(line, &request); err != nil {
		return nil, err
	}
	return nil, s.network.Forget(request.ID)
}
