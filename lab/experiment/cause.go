package experiment

import (
	"context"
	"errors"
	"fmt"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/gate"
)

// errServerEnded is the cause with which a trial's context ends when its server exits.
var errServerEnded = fault.By(fault.Server, errors.New("the server's process ended"))

// consequences maps the role of the party that caused a trial's failure to the gate result of its
// row. A failure of any other party ends the run: it is not of this trial alone.
var consequences = map[string]func(reason string) lab.GateResult{
	fault.Server.Role:    gate.FailedBecause,    // an outcome of the trial
	fault.Generator.Role: gate.DisturbedBecause, // another user's process, as the upstream: no server can end it
	fault.Upstream.Role:  gate.DisturbedBecause,
}

// consequenceOf returns the gate result of the trial that err has ended. ok is false if err ends
// the run instead.
func consequenceOf(err error) (result lab.GateResult, ok bool) {
	judge, ok := consequences[fault.PartyOf(err).Role]
	if !ok {
		return lab.GateResult{}, false
	}
	return judge(err.Error()), true
}

// finding is what a look at a party says about an error. It has its own text and the error's chain.
type finding struct {
	text string
	err  error
}

func (f *finding) Error() string { return f.text }

func (f *finding) Unwrap() error { return f.err }

// causeOf returns why a trial failed: err, or what a look at the parties of env says about it, with
// the party that caused it. err alone cannot tell, because the loss of one party makes calls to
// others fail. causeOf therefore looks at first those that take the others with them:
//
//  1. The engine. Without it, or without the run's lease, every container is gone.
//  2. The generator. Its container owns the cell, and with it every other service ends.
//  3. The server. Its end explains errors of the server, and of the engine about its container, but
//     no error that names the lab, the generator or the upstream: a server cannot break them.
//
// If all are there, err stays with the party that it names, or else the lab: to charge the server
// for an unknown error would be a guess.
//
// The user comes before all of these, but last in time: after an interruption every party looks
// gone, and it may come during the look.
func (e *Experiment) causeOf(ctx context.Context, env trialEnv, err error) error {
	found := e.lookAtParties(ctx, env, err)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fault.During(ctx, fault.Lab, found)
}

// lookAtParties does the work of causeOf for a run that the user does not interrupt.
func (e *Experiment) lookAtParties(ctx context.Context, env trialEnv, err error) error {
	if lost := e.lostEngine(ctx, err); lost != nil {
		return lost
	}
	if env.cell != nil {
		if reason := env.cell.ExitReason(ctx); reason != "" {
			return fault.By(fault.Generator, &finding{reason, err})
		}
	}
	named := fault.PartyOf(err)
	if env.server == nil || named == fault.Lab || named == fault.Generator || named == fault.Upstream {
		return err
	}
	if reason := env.server.ExitReason(ctx); reason != "" {
		return fault.By(fault.Server, &finding{reason, err})
	}
	if named == fault.Server {
		if printed := env.server.LogTail(ctx); printed != "" {
			return fmt.Errorf("%w; the server printed: %s", err, printed)
		}
	}
	return err
}

// lostEngine returns err as caused by the engine, with the engine's error as its text, or nil if
// the engine can be used.
func (e *Experiment) lostEngine(ctx context.Context, err error) error {
	lost := e.Cells.CheckEngine(ctx)
	if lost == nil {
		return nil
	}
	return fault.By(fault.Engine, &finding{lost.Error(), errors.Join(lost, err)})
}

// joinCloseError returns err together with the error of closing what a trial ran in. A cell that
// does not close ends the run: no later trial is alone on its CPUs.
func (e *Experiment) joinCloseError(ctx context.Context, err, closeErr error) error {
	err = errors.Join(err, fault.By(fault.Engine, closeErr))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if lost := e.lostEngine(ctx, err); lost != nil {
		return lost
	}
	return err
}
