package cli

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/image"
	"runtimelab/lab/plan"
	"runtimelab/lab/record"
	"runtimelab/lab/script"
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
	space, written := record.HitsDiskSpace(plan.ExpectedAttackDuration(p, nil)), uint64(10*2.8*80_000*110)
	if space < written {
		t.Errorf("%d MiB for hits of %d MiB", space>>20, written>>20)
	}

	m := &measurement{runSetup: &runSetup{sources: script.Sources{Checkout: t.TempDir()}}, raw: true}
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

func TestResumeUsesTheBasesOfTheRun(t *testing.T) {
	for origin, want := range map[string]image.BaseMode{
		"debian forky: nodejs 24.1, libc6 2.42": image.Debian,
		"node:24-trixie-slim@sha256:0":          image.Official,
		"":                                      image.Auto,
	} {
		i := record.Info{MeasuredVariants: map[string]record.MeasuredVariant{
			"lab/reference": {Image: lab.Image{BaseOrigin: "scratch"}},
			"node/single":   {Image: lab.Image{BaseOrigin: origin}},
		}}
		if got := baseModeOf(i); got != want {
			t.Errorf("of %q: %s, want %s", origin, got, want)
		}
	}
}

func TestALayoutSaysWhoRunsWhere(t *testing.T) {
	upstream := lab.ServiceCPUs{Role: lab.RoleUpstream, Name: lab.UpstreamName, CPUs: []int{0}}
	database := lab.ServiceCPUs{Role: lab.RoleDatabase, Name: "postgres", CPUs: []int{2, 3}}
	for want, l := range map[string]lab.Layout{
		"CPUs: generator and lab on 0, server on 1": {Generator: []int{0}, Server: []int{1}},
		"CPUs: generator and lab on 0, upstream beside the generator, postgres on 2-3, server on 1": {
			Generator: []int{0}, Server: []int{1}, Beside: []lab.ServiceCPUs{upstream, database},
		},
		"CPUs for servers with 2: generator and lab on 0, server on 0-1": {
			Generator: []int{0}, Server: []int{0, 1},
		},
	} {
		if got := layoutText(l); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
