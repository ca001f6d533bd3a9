package cli

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/record"
)

// An engine that is lost while an interrupted run cleans up leaves containers, so that it is the
// cause.
func TestARunThatTheUserEndedIsInterrupted(t *testing.T) {
	lost := fault.By(fault.Engine, errors.Join(errors.New("the engine is gone"), ErrInterrupted))
	for _, c := range []struct {
		cause  error
		state  record.State
		reason string
	}{
		{nil, record.Done, ""},
		{fmt.Errorf("checking: %w", ErrInterrupted), record.Interrupted, "interrupted by the user"},
		{fault.By(fault.Lab, errors.New("no space left")), record.Failed, "no space left"},
		{lost, record.Failed, lost.Error()},
	} {
		if state, reason := endState(c.cause); state != c.state || reason != c.reason {
			t.Errorf("ended by %v: %s (%s), want %s (%s)", c.cause, state, reason, c.state, c.reason)
		}
	}
	if fault.ExitCode(ErrInterrupted) != fault.ExitInterrupted {
		t.Errorf("an interruption exits with %d", fault.ExitCode(ErrInterrupted))
	}
}

// peakPlan returns a plan of trials with a warm-up and a peak of the given duration.
func peakPlan(trials int, duration time.Duration) (p lab.Plan) {
	p.Profile = lab.Profile{
		Name: "quick", WarmUpMax: 8 * time.Second, PeakDuration: duration, SteadyDuration: duration,
	}
	p.Scenarios = []lab.Scenario{{
		Name:   "json",
		Phases: []lab.Phase{{Name: "warmup", Kind: lab.WarmUp}, {Name: "peak", Kind: lab.Peak}},
	}}
	for block := 1; block <= trials; block++ {
		p.Trials = append(p.Trials,
			lab.Trial{Scenario: "json", Variant: "node/single", Cores: 1, Block: block, Attempt: 1})
	}
	return p
}

// The fastest server answers 80 000 requests a second, and a hit takes 110 bytes.
func TestDiskSpaceForHitsIsCheckedFirst(t *testing.T) {
	p := peakPlan(10, 2800*time.Millisecond)
	if space, written := hitsDiskSpace(p, nil), uint64(10*2.8*80_000*110); space < written {
		t.Errorf("%d MiB for hits of %d MiB", space>>20, written>>20)
	}
	ended := map[lab.TrialID]bool{}
	for _, trial := range p.Trials[:5] {
		ended[trial.ID()] = true
	}
	if all, half := hitsDiskSpace(p, nil), hitsDiskSpace(p, ended); half != all/2 {
		t.Errorf("%d bytes after half of the trials, %d before", half, all)
	}

	m := &measurement{runSetup: &runSetup{checkout: t.TempDir()}, raw: true}
	if err := m.checkDiskSpace(p); err != nil {
		t.Error(err)
	}
	years := peakPlan(10, 10_000*time.Hour)
	if err := m.checkDiskSpace(years); fault.ExitCode(err) != fault.ExitFailed || err == nil ||
		!strings.Contains(err.Error(), "and a run may need") {
		t.Errorf("for the hits of years: %v", err)
	}
	m.raw = false
	if err := m.checkDiskSpace(years); err != nil {
		t.Errorf("without --raw: %v", err)
	}
}
