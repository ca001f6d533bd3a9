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

// MeasurePhase runs one measured phase on a started server and judges its sample.
// subject holds what is known of the trial. upstream is nil if the scenario has none.
func (e *Experiment) MeasurePhase(
	ctx context.Context, subject lab.Sample, a lab.Attack, cell Cell, server Server, upstream Upstream,
) (lab.Sample, error) {
	env := trialEnv{cell, server, upstream}
	if subject.Phase.Kind.Traits().FindsCapacity() {
		return e.measureCapacity(ctx, subject, a, env)
	}
	s, err := e.attackWithCanaries(ctx, subject, a, env)
	if err != nil {
		return s, err
	}
	if gate.NeedsDoubleConnections(s, e.Calibration) && 2*a.Connections <= maxPeakConnections {
		s.Doubled, err = e.attackDoubleConnections(ctx, s, a, env)
		if err != nil && !errors.Is(err, errServerEnded) {
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
	ctx context.Context, s lab.Sample, a lab.Attack, env trialEnv,
) (lab.Sample, error) {
	s.Canaries.Baselines = e.baselineCanaries()
	var usage account.Usage
	var err error
	s.Canaries.Before, s.Canaries.ServerCPUBefore, usage, err = e.runCanaries(ctx, s.Layout, env.server, nil)
	if err != nil {
		return s, err
	}
	if s, usage, err = e.attackWithReadings(ctx, s, a, env, usage); err != nil {
		return s, err
	}
	if err := waitForCloses(ctx, a.Connections); err != nil {
		return s, err
	}
	s.Canaries.After, s.Canaries.ServerCPUAfter, _, err = e.runCanaries(ctx, s.Layout, env.server, &usage)
	if err != nil {
		return s, err
	}
	return s, e.recordHits(ctx, s, env)
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
	ctx context.Context, s lab.Sample, a lab.Attack, env trialEnv, before account.Usage,
) (measured lab.Sample, after account.Usage, err error) {
	callsBefore, err := upstreamCalls(ctx, env.upstream)
	if err != nil {
		return s, after, err
	}
	isReference := s.Scenario.Name == lab.ReferenceScenario
	if isReference { // reading the service times resets them
		if _, err := ReadServiceTimes(ctx, env.cell); err != nil {
			return s, after, err
		}
	}
	o, err := env.cell.Attack(ctx, a)
	if err != nil {
		return s, after, err
	}
	var times *lab.ServiceTimes
	if isReference {
		if times, err = ReadServiceTimes(ctx, env.cell); err != nil {
			return s, after, err
		}
	}
	if after, err = env.server.Usage(ctx); err != nil {
		return s, after, err
	}
	callsAfter, err := upstreamCalls(ctx, env.upstream)
	if err != nil {
		return s, after, err
	}
	calls := callsAfter - callsBefore
	readings := account.Readings{
		Cell:     o.CellReadings,
		Services: serviceReadings(s, env, &account.UsageReadings{Before: before, After: after}, &calls),
	}
	s.StartedAt = o.StartedAt
	s.Measured = &lab.Window{
		Phase: s.Phase, Layout: s.Layout, Attack: o.AttackResult, ServiceTimes: times,
		Accounts: account.Between(readings, e.Calibration.SeparateIRQTime),
	}
	return s, after, nil
}

// serviceReadings returns what was read of each service of a sample's trial around an attack, besides
// the cell's readings: the usage of the server's container, and the calls of the upstream.
func serviceReadings(
	s lab.Sample, env trialEnv, server *account.UsageReadings, calls *int64,
) []account.ServiceReadings {
	all := []account.ServiceReadings{
		{Role: lab.RoleServer, Name: s.Variant.ID(), CPUs: s.Layout.Server, Usage: server},
	}
	if env.upstream != nil {
		all = append(all, account.ServiceReadings{
			Role: lab.RoleUpstream, Name: string(lab.RoleUpstream), CPUs: s.Layout.Generator, Calls: calls,
		})
	}
	return all
}

// recordHits records the hits that the cell's last attack kept.
func (e *Experiment) recordHits(ctx context.Context, s lab.Sample, env trialEnv) error {
	if s.Measured.Attack.KeptHits == 0 {
		return nil
	}
	read := func(each func([]lab.Hit) error) error { return env.cell.ReadHits(ctx, each) }
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

// upstreamCalls returns the number of calls of an upstream so far, 0 if u is nil.
func upstreamCalls(ctx context.Context, u Upstream) (int64, error) {
	if u == nil {
		return 0, nil
	}
	calls, err := u.Calls(ctx)
	if err != nil {
		err = fmt.Errorf("reading the upstream's call count: %w", err)
	}
	return calls, fault.During(ctx, fault.Upstream, err)
}

// maxPeakConnections is the largest number of connections of a peak: as many as the
// servers' listen backlog holds.
const maxPeakConnections = 4096

// attackDoubleConnections repeats the attack of a peak on twice the connections, for a
// shorter time. The window is evidence about the peak and has no row; its hits are not
// kept. The usage of the server is unknown if its counters cannot be read.
func (e *Experiment) attackDoubleConnections(
	ctx context.Context, peak lab.Sample, a lab.Attack, env trialEnv,
) (*lab.Window, error) {
	a.Name += " doubled"
	a.Connections *= 2
	a.Duration = plan.DoubleConnectionsDuration(a.Kind, a.Duration)
	a.KeepHits = false
	usage := new(account.UsageReadings)
	var usageErr error
	usage.Before, usageErr = env.server.Usage(ctx)
	o, err := env.cell.Attack(ctx, a)
	if err != nil {
		return nil, err
	}
	if usageErr == nil {
		usage.After, usageErr = env.server.Usage(ctx)
	}
	if usageErr != nil {
		usage = nil
	}
	readings := account.Readings{Cell: o.CellReadings, Services: serviceReadings(peak, env, usage, nil)}
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
