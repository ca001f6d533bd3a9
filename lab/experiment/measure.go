package experiment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
	"runtimelab/lab/fault"
	"runtimelab/lab/gate"
	"runtimelab/lab/metric"
	"runtimelab/lab/plan"
)

// MeasurePhase runs one measured phase on the started services of a cell and judges its sample.
// subject holds what is known of the trial.
func (e *Experiment) MeasurePhase(
	ctx context.Context, subject lab.Sample, a lab.Attack, cell Cell,
) (lab.Sample, error) {
	if subject.Phase.Kind.Traits().FindsCapacity() {
		return e.measureCapacity(ctx, subject, a, cell)
	}
	s, err := e.attackWithCanaries(ctx, subject, a, cell)
	if err != nil {
		return s, err
	}
	if gate.NeedsDoubleConnections(s, e.Calibration) && 2*a.Connections <= maxPeakConnections {
		s.Doubled, err = e.attackDoubleConnections(ctx, s, a, cell)
		if err != nil && !errors.Is(err, errEnded) {
			return s, err
		}
	}
	s.Gate = gate.Judge(s, e.Calibration)
	if err != nil { // a crash on twice the connections does not invalidate the peak itself
		s.Gate.Reason += "; on twice the connections " + err.Error()
	}
	s.SLO.Missed, s.SLO.WithoutValue = metric.CheckObjectives(s)
	return s, nil
}

// attackWithCanaries runs an attack between two readings of the server, and the
// readings between two rounds of canaries.
func (e *Experiment) attackWithCanaries(
	ctx context.Context, s lab.Sample, a lab.Attack, cell Cell,
) (lab.Sample, error) {
	s.Canaries.Baselines = e.baselineCanaries()
	var usage account.Usage
	var err error
	s.Canaries.Before, s.Canaries.ServerCPUBefore, usage, err = e.runCanaries(ctx, s.Layout, serverOf(cell), nil)
	if err != nil {
		return s, err
	}
	if s, usage, err = e.attackWithReadings(ctx, s, a, cell, usage); err != nil {
		return s, err
	}
	if err := waitForCloses(ctx, a.Connections); err != nil {
		return s, err
	}
	s.Canaries.After, s.Canaries.ServerCPUAfter, _, err = e.runCanaries(ctx, s.Layout, serverOf(cell), &usage)
	if err != nil {
		return s, err
	}
	return s, e.recordHits(ctx, s, cell)
}

// closeTimePerConnection is an upper limit of the CPU time that it takes to close a
// connection at both ends, and the server's connection to the upstream.
const closeTimePerConnection = 200 * time.Microsecond

// waitForCloses waits until the attack's connections are closed. Closing thousands keeps
// the generator's CPU busy for longer than a canary takes.
func waitForCloses(ctx context.Context, connections int) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(time.Duration(connections) * closeTimePerConnection):
		return nil
	}
}

// attackWithReadings runs an attack and returns the sample with its window, and the server's
// usage after it. before is the usage before it.
func (e *Experiment) attackWithReadings(
	ctx context.Context, s lab.Sample, a lab.Attack, cell Cell, before account.Usage,
) (measured lab.Sample, after account.Usage, err error) {
	besideBefore, err := readBeside(ctx, cell, false)
	if err != nil {
		return s, after, err
	}
	isReference := s.Scenario.Name == lab.ReferenceScenario
	if isReference { // reading the service times resets them
		if _, err := ReadServiceTimes(ctx, cell); err != nil {
			return s, after, err
		}
	}
	o, err := cell.Attack(ctx, a)
	if err != nil {
		return s, after, err
	}
	var times *lab.ServiceTimes
	if isReference {
		if times, err = ReadServiceTimes(ctx, cell); err != nil {
			return s, after, err
		}
	}
	if after, err = serverOf(cell).Usage(ctx); err != nil {
		return s, after, err
	}
	besideAfter, err := readBeside(ctx, cell, true)
	if err != nil {
		return s, after, err
	}
	readings := account.Readings{Cell: o.CellReadings, Services: append(
		besideReadings(cell, besideBefore, besideAfter),
		serverReadings(cell, &account.UsageReadings{Before: before, After: after}),
	)}
	s.StartedAt = o.StartedAt
	s.Measured = &lab.Window{
		Phase: s.Phase, Layout: s.Layout, Attack: o.AttackResult, ServiceTimes: times,
		Accounts: account.Between(readings, e.Calibration.SeparateIRQTime),
	}
	return s, after, nil
}

// recordHits records the hits that the cell's last attack kept.
func (e *Experiment) recordHits(ctx context.Context, s lab.Sample, cell Cell) error {
	if s.Measured.Attack.KeptHits == 0 {
		return nil
	}
	read := func(each func([]lab.Hit) error) error { return cell.ReadHits(ctx, each) }
	return fault.During(ctx, fault.Lab, e.Recorder.RecordHits(s, read))
}

// ReadServiceTimes returns the service times that a reference server measured by its
// own clock since the last call, and resets them.
func ReadServiceTimes(ctx context.Context, cell Cell) (*lab.ServiceTimes, error) {
	answers, err := cell.Send(ctx, []lab.Request{
		{Method: http.MethodGet, Path: lab.ServiceTimesPath},
		{Method: http.MethodDelete, Path: lab.ServiceTimesPath},
	})
	if err != nil {
		return nil, err
	}
	var times lab.ServiceTimes
	if err := json.Unmarshal(answers[0].Body, &times); err != nil {
		err = fmt.Errorf("reading a reference server's service times (answer %q, error %q): %w",
			answers[0].Body, answers[0].Error, err)
		return nil, fault.By(fault.Server, err)
	}
	return &times, nil
}

// maxPeakConnections is the largest number of connections of a peak: as many as the
// servers' listen backlog holds.
const maxPeakConnections = 4096

// attackDoubleConnections repeats the attack of a peak on twice the connections, for a
// shorter time. The window is evidence about the peak and has no row; its hits are not
// kept. The usage of the server is unknown if its counters cannot be read.
func (e *Experiment) attackDoubleConnections(
	ctx context.Context, peak lab.Sample, a lab.Attack, cell Cell,
) (*lab.Window, error) {
	a.Name += " doubled"
	a.Connections *= 2
	a.Duration = plan.DoubleConnectionsDuration(a.Kind, a.Duration)
	a.KeepHits = false
	usage := new(account.UsageReadings)
	var usageErr error
	usage.Before, usageErr = serverOf(cell).Usage(ctx)
	o, err := cell.Attack(ctx, a)
	if err != nil {
		return nil, err
	}
	if usageErr == nil {
		usage.After, usageErr = serverOf(cell).Usage(ctx)
	}
	if usageErr != nil {
		usage = nil
	}
	readings := account.Readings{
		Cell:     o.CellReadings,
		Services: append(besideReadings(cell, nil, nil), serverReadings(cell, usage)),
	}
	if err := waitForCloses(ctx, a.Connections); err != nil {
		return nil, err
	}
	phase := peak.Phase
	phase.Connections = a.Connections
	return &lab.Window{
		Phase: phase, Layout: peak.Layout, Attack: o.AttackResult,
		Accounts: account.Between(readings, e.Calibration.SeparateIRQTime),
	}, nil
}
