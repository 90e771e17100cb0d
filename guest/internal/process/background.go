package process

import (
	"io"
	"os"
)

// StartWithOutput starts a program that has no input and whose output goes to
// two writers. The returned function is called after the program has ended and
// waits for the rest of its output.
func StartWithOutput(table *Table, spec Spec, stdout, stderr io.Writer) (*Process, func(), error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, nil, err
	}
	defer null.Close() //nolint:errcheck // read-only
	outCopy, out, err := NewOutput(stdout)
	if err != nil {
		return nil, nil, err
	}
	defer out.Close() //nolint:errcheck // the child has its own
	errCopy, errOut, err := NewOutput(stderr)
	if err != nil {
		outCopy.Finish()
		return nil, nil, err
	}
	defer errOut.Close() //nolint:errcheck // the child has its own
	finish := func() {
		outCopy.Finish()
		errCopy.Finish()
	}
	spec.Files = []*os.File{null, out, errOut}
	proc, err := table.Start(spec)
	if err != nil {
		_ = out.Close() // so that Finish sees the end at once
		_ = errOut.Close()
		finish()
		return nil, nil, err
	}
	return proc, finish, nil
}
