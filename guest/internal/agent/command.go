package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"ember.dev/guest/internal/process"
	"ember.dev/guest/internal/users"
)

// directRequest is ember's own exec: no shell takes part, so nothing needs quoting.
type directRequest struct {
	Argv   []string `json:"argv"`
	Env    []string `json:"env"`
	Cwd    string   `json:"cwd"`
	User   string   `json:"user"`
	Detach bool     `json:"detach"`
	Login  bool     `json:"login"`
}

// runShell runs a command line with the login user's shell, or the shell alone.
func (s *session) runShell(line string) {
	shell := s.login.Shell
	argv := []string{path.Base(shell), "-c", line}
	if line == "" {
		argv = []string{"-" + path.Base(shell)} // the dash makes it a login shell
	}
	env := process.MergeEnv(process.UserEnv(s.login), s.Env, process.LoginEnv(s.login)[1:], s.terminalEnv(), s.env)
	program, err := process.Look(shell, env, "/")
	if err != nil {
		s.fail(process.StartStatus(err), fmt.Errorf("login shell %w", err))
		return
	}
	s.run(process.Spec{Path: program, Argv: argv, Env: env, Dir: homeOf(s.login), User: &s.login})
}

func (s *session) runDirect(payload []byte) {
	spec, detach, err := s.prepareDirect(payload)
	if err != nil {
		s.fail(startStatus(err), err)
		return
	}
	if detach {
		s.runDetached(spec)
		return
	}
	s.run(spec)
}

func (s *session) prepareDirect(payload []byte) (spec process.Spec, detach bool, err error) {
	var request directRequest
	if err := json.Unmarshal(payload, &request); err != nil {
		return spec, false, fmt.Errorf("exec request: %w", err)
	}
	if err := request.check(); err != nil {
		return spec, false, err
	}
	user, err := s.directUser(request.User)
	if err != nil {
		return spec, false, err
	}
	env := process.MergeEnv(process.UserEnv(user), s.Env, s.terminalEnv(), s.env, request.Env)
	dir := firstOf(request.Cwd, s.Workdir, "/")
	if request.Login {
		env = process.MergeEnv(process.UserEnv(user), s.Env, process.LoginEnv(user)[1:], s.terminalEnv(), s.env, request.Env)
		dir = firstOf(request.Cwd, homeOf(user))
		request.Argv = loginArgv(user, request.Argv)
	}
	if err := process.CheckDir(dir); err != nil {
		return spec, false, err
	}
	lookFor := request.Argv[0]
	if request.Login {
		lookFor = user.Shell
	}
	program, err := process.Look(lookFor, env, dir)
	return process.Spec{Path: program, Argv: request.Argv, Env: env, Dir: dir, User: &user}, request.Detach, err
}

func (r *directRequest) check() error {
	if len(r.Argv) == 0 && !r.Login {
		return errors.New("exec request: argv is empty")
	}
	for _, s := range append(append([]string{r.Cwd, r.User}, r.Argv...), r.Env...) {
		if strings.ContainsRune(s, 0) {
			return errors.New("exec request: a string has a NUL byte")
		}
	}
	for _, entry := range r.Env {
		if strings.IndexByte(entry, '=') < 1 {
			return fmt.Errorf("exec request: env entry %q is not NAME=VALUE", entry)
		}
	}
	return nil
}

// directUser lets root become anybody and everybody else only themselves.
func (s *session) directUser(spec string) (users.User, error) {
	if s.login.UID == 0 {
		return s.Users.Lookup(firstOf(spec, s.SessionUser, s.login.Name))
	}
	if spec != "" {
		user, err := s.Users.Lookup(spec)
		if err != nil || user.UID != s.login.UID || strings.Contains(spec, ":") {
			return users.User{}, fmt.Errorf("user %s may not run commands as %s", s.login.Name, spec)
		}
	}
	return s.login, nil
}

// loginArgv wraps a command in a login shell without its words being parsed again.
func loginArgv(user users.User, argv []string) []string {
	name := "-" + path.Base(user.Shell)
	if len(argv) == 0 {
		return []string{name}
	}
	return append([]string{name, "-c", `exec "$@"`, name}, argv...)
}

func (s *session) terminalEnv() []string {
	if s.pty == nil {
		return nil
	}
	return []string{"TERM=" + s.pty.term}
}

// homeOf is where a login starts; a home that is not there must not keep anybody out.
func homeOf(user users.User) string {
	if info, err := os.Stat(user.Home); err == nil && info.IsDir() && path.IsAbs(user.Home) {
		return user.Home
	}
	return "/"
}

func startStatus(err error) int {
	if errors.Is(err, process.ErrNotFound) {
		return process.StatusNotFound
	}
	return process.StatusNotExecutable
}

func firstOf(candidates ...string) string {
	for _, c := range candidates {
		if c != "" {
			return c
		}
	}
	return ""
}

func validEnv(name, value string) bool {
	return name != "" && !strings.ContainsAny(name, "=\x00") && !strings.ContainsRune(value, 0)
}
