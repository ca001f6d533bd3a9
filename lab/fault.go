package lab

import (
	"errors"
	"fmt"
)

// Exit codes of the program. A refuted claim is a finding, not a failure.
const (
	ExitOK          = 0
	ExitFailed      = 1
	ExitUsage       = 2 // bad command line or script
	ExitFailOn      = 3 // what the user asked to fail on (--fail-on) has happened
	ExitInterrupted = 130
)

// Fault is an error meant for the user: what happened, what to do, and the
// code to exit with.
type Fault struct {
	Code int
	Err  error  // what was attempted, on what, and what came of it
	Hint string // what to do about it; may be empty
}

func (f *Fault) Error() string {
	if f.Hint == "" {
		return f.Err.Error()
	}
	return fmt.Sprintf("%v\n  %s", f.Err, f.Hint)
}

func (f *Fault) Unwrap() error { return f.Err }

// ExitCode is the code carried by err, ExitFailed where it carries none.
func ExitCode(err error) int {
	if err == nil {
		return ExitOK
	}
	var f *Fault
	if errors.As(err, &f) {
		return f.Code
	}
	return ExitFailed
}
