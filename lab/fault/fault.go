// Package fault has errors for the user: what happened, what to do, and the exit code of the program.
// An error may also name the party that caused it.
package fault

import (
	"errors"
	"fmt"
)

// Exit codes of the program. A refuted claim is a finding, not a failure: the
// program then exits with ExitOK.
const (
	ExitOK          = 0
	ExitFailed      = 1
	ExitUsage       = 2 // bad command line or script
	ExitFailOn      = 3 // a condition of --fail-on is true
	ExitInterrupted = 130
)

// Error is an error for the user: what happened, what to do, and the program's
// exit code.
type Error struct {
	Code int
	Err  error  // what failed, where, and why
	Hint string // what the user can do; may be empty
}

func (f *Error) Error() string {
	if f.Hint == "" {
		return f.Err.Error()
	}
	return fmt.Sprintf("%v\n  %s", f.Err, f.Hint)
}

func (f *Error) Unwrap() error { return f.Err }

// ExitCode returns the exit code of the Error in err, or ExitFailed if there is
// none.
func ExitCode(err error) int {
	if err == nil {
		return ExitOK
	}
	var f *Error
	if errors.As(err, &f) {
		return f.Code
	}
	return ExitFailed
}
