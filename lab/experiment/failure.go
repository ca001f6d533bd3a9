package experiment

import (
	"context"
	"errors"
	"fmt"
)

// errServerEnded is the cause with which a trial's context ends when its server exits.
var errServerEnded = errors.New("the server's process ended")

// serverError is a failure of the server under test.
type serverError struct{ reason string }

func (e *serverError) Error() string { return e.reason }

// generatorError is a failure of a cell's generator or upstream. They run as other
// users, so no server can cause it.
type generatorError struct{ reason string }

func (e *generatorError) Error() string { return e.reason }

// labError is a failure of the lab itself, for example of its disk or of the
// canaries' cell.
type labError struct{ err error }

func (e *labError) Error() string { return e.err.Error() }

// asLabError returns err as a *labError. If ctx has ended it returns err itself,
// because the server's or the run's end may have caused it.
func asLabError(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	return &labError{err}
}

// classify returns the party that caused err: the user's interruption, the engine's
// error, a *generatorError, the lab's error or a *serverError. A cell that does not open
// or a server that does not start is the lab's error if engine and generator work.
func (e *Experiment) classify(ctx context.Context, env trialEnv, err error) error {
	cause := e.classifyCause(ctx, env, err)
	if ctx.Err() != nil { // check it last: after an interruption every party looks gone
		return context.Cause(ctx)
	}
	return cause
}

// classifyCause does the work of classify for a run that the user did not interrupt.
func (e *Experiment) classifyCause(ctx context.Context, env trialEnv, err error) error {
	if engineErr := e.Cells.CheckEngine(ctx); engineErr != nil {
		return engineErr
	}
	if env.cell == nil {
		return err
	}
	if reason := env.cell.ExitReason(ctx); reason != "" {
		return &generatorError{reason}
	}
	var generatorErr *generatorError
	if errors.As(err, &generatorErr) {
		return generatorErr
	}
	var labErr *labError
	if errors.As(err, &labErr) {
		return labErr.err
	}
	if env.server == nil {
		return err
	}
	return &serverError{describeServerError(ctx, env.server, err)}
}

// describeServerError returns how the server ended, or else err and what the server
// printed last.
func describeServerError(ctx context.Context, s Server, err error) string {
	if reason := s.ExitReason(ctx); reason != "" {
		return reason
	}
	text := err.Error()
	if printed := s.LogTail(ctx); printed != "" {
		text = fmt.Sprintf("%s; the server printed: %s", text, printed)
	}
	return text
}

// engineErrorOr returns the engine's error if the engine is unusable, and err otherwise.
func (e *Experiment) engineErrorOr(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if engineErr := e.Cells.CheckEngine(ctx); engineErr != nil {
		return engineErr
	}
	return err
}

// joinCloseError joins the error of a trial and that of closing its cell. The result is
// no *serverError or *generatorError, because a cell that does not close ends the run.
func joinCloseError(err, closeErr error) error {
	var serverErr *serverError
	var generatorErr *generatorError
	if errors.As(err, &serverErr) || errors.As(err, &generatorErr) {
		err = errors.New(err.Error())
	}
	return errors.Join(err, closeErr)
}
