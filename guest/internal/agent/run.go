package agent

import (
	"io"
	"os"

	"ember.dev/guest/internal/process"
)

// run starts a looked-up program on this channel and sees it to its end.
func (s *session) run(spec process.Spec) {
	if s.pty != nil {
		s.runOnPTY(spec)
		return
	}
	stdout, outEnd, err := process.NewOutput(s.ch)
	if err != nil {
		s.fail(process.StatusNotExecutable, err)
		return
	}
	stderr, errEnd, err := process.NewOutput(s.ch.Stderr())
	if err != nil {
		closeAll(outEnd)
		stdout.Finish()
		s.fail(process.StatusNotExecutable, err)
		return
	}
	stdin, inEnd, err := process.NewInput()
	if err == nil {
		var proc *process.Process
		spec.Files = []*os.File{inEnd, outEnd, errEnd}
		if proc, err = s.Table.Start(spec); err == nil {
			s.started(proc)
			closeAll(inEnd, outEnd, errEnd)
			go feed(stdin, s.ch)
			status := proc.Wait()
			stdout.Finish()
			stderr.Finish()
			s.exit(status)
			closeAll(stdin) // ends feed, should a grandchild hold the other end
			return
		}
	}
	closeAll(stdin, inEnd, outEnd, errEnd)
	stdout.Finish()
	stderr.Finish()
	s.fail(process.StartStatus(err), err)
}

// feed passes the client's input on. When the child no longer reads, the rest
// is swallowed: a client blocked on a full window would never see the exit.
func feed(stdin *os.File, ch io.Reader) {
	_, err := io.Copy(stdin, ch)
	_ = stdin.Close() // the client's end of input is the child's
	if err != nil {
		_, _ = io.Copy(io.Discard, ch)
	}
}

func (s *session) runOnPTY(spec process.Spec) {
	spec.Files = []*os.File{s.pty.slave, s.pty.slave, s.pty.slave}
	spec.TTY = true
	if spec.User != nil {
		s.pty.give(spec.User.UID, spec.User.GID)
	}
	proc, err := s.Table.Start(spec)
	if err != nil {
		s.fail(process.StartStatus(err), err)
		return
	}
	s.started(proc)
	s.pty.closeSlave() // else the end of output would never be seen
	output := process.CopyFrom(s.pty.master, s.ch)
	go func() {
		_, _ = io.Copy(s.pty.master, s.ch) // ends with the channel or the terminal
		s.pty.endInput()
	}()
	status := proc.Wait()
	output.Finish()
	s.exit(status)
}
