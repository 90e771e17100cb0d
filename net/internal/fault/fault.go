// Package fault has the errors that the control protocol tells its clients.
package fault

import "fmt"

// Code is for programs, and for ever.
type Code string

const (
	PortTaken        Code = "port-taken"
	Usage            Code = "usage"
	Internal         Code = "internal"
	PermissionDenied Code = "permission-denied"
	NotFound         Code = "not-found"
	Unsupported      Code = "unsupported"
	// Ending: this process does nothing any more; another one does what was asked for.
	Ending Code = "ending"
)

// Fault is what went wrong, and what to do about it if something can be done.
type Fault struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func (f *Fault) Error() string { return f.Message }

// New makes a fault without a hint.
func New(code Code, format string, values ...any) *Fault {
	return &Fault{Code: code, Message: fmt.Sprintf(format, values...)}
}

// With adds what to do.
func (f *Fault) With(hint string) *Fault {
	f.Hint = hint
	return f
}
