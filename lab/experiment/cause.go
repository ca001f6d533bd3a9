package experiment

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/gate"
)

// errEnded is in the chain of endedError.
var errEnded = errors.New("ended")

// endedError is the cause with which a trial's context ends when a service ends.
func endedError(s Service) error {
	return fault.By(partyOf(s), fmt.Errorf("%s's process %w", s.Spec().Title(), errEnded))
}

// partyOf returns a service as the cause of a failure.
func partyOf(s Service) fault.Party {
	return fault.Party{Role: string(s.Spec().Role), Name: s.Spec().Name}
}

// consequenceOf returns the gate result of the trial that err has ended, which follows from the role
// of the service that caused it. ok is false if err ends the run instead: it is not of this trial alone.
func consequenceOf(err error) (result lab.GateResult, ok bool) {
	if err == nil {
		return lab.GateResult{}, false
	}
	switch lab.Role(fault.PartyOf(err).Role).Traits().Failure {
	case lab.Failed: // an outcome of the trial
		return gate.FailedBecause(err.Error()), true
	case lab.Disturbed: // no server can cause it
		return gate.DisturbedBecause(err.Error()), true
	}
	return lab.GateResult{}, false
}

// isOutcome reports whether err is an outcome of its trial: the server failed, or a service that the
// server may have broken.
func isOutcome(err error) bool {
	result, ok := consequenceOf(err)
	return ok && result.Validity == lab.Failed
}

// finding is what a look at a party says about an error. It has its own text and the error's chain.
type finding struct {
	text string
	err  error
}

func (f *finding) Error() string { return f.text }

func (f *finding) Unwrap() error { return f.err }

// causeOf returns why a trial failed: err, or what a look at the parties says about it, with the
// party that caused it. cell is nil if it did not open. err alone cannot tell, because the loss of
// one party makes calls to others fail. causeOf therefore looks at first those that take the others
// with them: the engine, without which, or without the run's lease, every container is gone; and then
// the parties of the cell, see CauseInCell.
//
// The user comes before all of these, but last in time: after an interruption every party looks
// gone, and it may come during the look.
func (e *Experiment) causeOf(ctx context.Context, cell Cell, err error) error {
	found := e.lostEngine(ctx, err)
	if found == nil {
		if found = err; cell != nil {
			found = CauseInCell(ctx, cell, err)
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fault.During(ctx, fault.Lab, found)
}

// CauseInCell returns err, or what a look at the parties of a cell says about it:
//
//  1. The generator. Its container owns the cell, and with it every service ends.
//  2. The service that ended first, of those whose end explains err. That is any service, if err names
//     none that runs. A service that runs is broken only by one that it depends on: no server can break
//     its upstream. No service breaks the lab, or a generator that runs.
//
// If all of these run, err stays with the party that it names: to charge the server for an unknown
// error would be a guess.
func CauseInCell(ctx context.Context, cell Cell, err error) error {
	if reason := cell.ExitReason(ctx); reason != "" {
		return fault.By(fault.Generator, &finding{reason, err})
	}
	named := fault.PartyOf(err)
	if named == fault.Lab || named == fault.Generator {
		return err
	}
	services := cell.Services()
	complaining := indexOf(services, named)
	endings := make([]lab.Ending, len(services))
	for i, s := range services {
		endings[i] = s.Ending(ctx)
	}
	first := -1
	for i, end := range endings {
		switch {
		case end.Reason == "":
		case complaining >= 0 && endings[complaining].Reason == "" && !dependsOn(services, complaining, i):
		case first < 0 || end.At.Before(endings[first].At): // of equals, the one on which others may depend
			first = i
		}
	}
	switch {
	case first >= 0:
		return fault.By(partyOf(services[first]), &finding{endings[first].Reason, err})
	case complaining >= 0:
		s := services[complaining]
		if printed := s.LogTail(ctx); printed != "" {
			return fmt.Errorf("%w; %s printed: %s", err, s.Spec().Title(), printed)
		}
	}
	return err
}

// indexOf returns the index of the service that a party names, or -1. A party without a name is the
// first service of its role.
func indexOf(services []Service, p fault.Party) int {
	return slices.IndexFunc(services, func(s Service) bool {
		this := partyOf(s)
		return this.Role == p.Role && (p.Name == "" || this.Name == p.Name)
	})
}

// dependsOn reports whether services[i] depends on services[on], directly or through others.
func dependsOn(services []Service, i, on int) bool {
	return slices.ContainsFunc(services[i].Spec().DependsOn, func(name string) bool {
		next := slices.IndexFunc(services, func(s Service) bool { return s.Spec().Name == name })
		return next == on || next >= 0 && dependsOn(services, next, on)
	})
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
