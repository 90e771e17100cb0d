package agent

import (
	"fmt"

	"ember.dev/guest/internal/process"
)

// runDetached starts a command that outlives its session and answers with its number.
func (s *session) runDetached(spec process.Spec) {
	stdout, stderr := s.Background()
	proc, finish, err := process.StartWithOutput(s.Table, spec, stdout, stderr)
	if err != nil {
		s.fail(process.StartStatus(err), err)
		return
	}
	go func() {
		proc.Wait()
		finish()
		stdout.Flush()
		stderr.Flush()
	}()
	_, _ = fmt.Fprintf(s.ch, "{\"pid\":%d}\n", proc.PID) // the command runs whether or not anybody hears it
	s.exit(0)
}
