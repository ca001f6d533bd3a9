package experiment

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
	"runtimelab/lab/gate"
	"runtimelab/lab/metric"
)

// newCapacityExperiment returns one trial whose only measured phase is a capacity. The
// server's 99th percentile is 5 ms up to the given rate and 50 ms above it.
func newCapacityExperiment(w *world, capacity float64) *Experiment {
	e := newExperiment(w, "a")
	e.Plan.Trials = e.Plan.Trials[:1]
	e.Plan.Scenarios[0].Phases = []lab.Phase{
		{Name: "warmup", Kind: lab.WarmUp, Connections: 8},
		{
			Name: "capacity", Kind: lab.Capacity, RateRPS: 1000, Connections: 16, Arrivals: lab.Poisson,
			Objectives: []lab.Objective{{Metric: "latency_p99_ms", Below: true, Limit: 10}},
		},
	}
	w.serverCPU = time.Second / 2
	w.changeResult = func(a lab.Attack, r *account.Observation) {
		if a.Kind == lab.WarmUp {
			return
		}
		rate := a.Rate[0].FromRPS
		n := int64(rate * a.Duration.Seconds())
		p99 := 5.0
		if rate > capacity {
			p99 = 50
		}
		r.Intended, r.Sent, r.Succeeded = n, n, n
		r.Elapsed = a.Duration
		r.Corrected = &lab.Latency{Count: n, P99MS: &p99}
	}
	return e
}

// runOneSample runs an experiment that must give one sample.
func runOneSample(t *testing.T, e *Experiment, w *world) lab.Sample {
	t.Helper()
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(w.recorded) != 1 {
		t.Fatalf("%d samples of one trial of one phase", len(w.recorded))
	}
	w.checkNothingOpen(t)
	return w.recorded[0]
}

// describeSteps returns each step as "rate kept".
func describeSteps(s lab.Sample) (all []string) {
	for _, step := range s.Search.Steps {
		all = append(all, fmt.Sprintf("%g %v", step.OfferedRPS, step.SLOMet))
	}
	return all
}

func TestACapacityIsSearchedForOnOneServer(t *testing.T) {
	w := newWorld()
	e := newCapacityExperiment(w, 4300)
	e.KeepHits = true
	e.canaryTimes = map[int][]time.Duration{1: make([]time.Duration, gate.MinCanaries)}
	s := runOneSample(t, e, w)
	if len(s.Canaries.Baselines) != 1 || s.Canaries.Baselines[0].CPU != 1 {
		t.Errorf("its canaries are judged by %+v, want the run's own baseline", s.Canaries.Baselines)
	}
	rps, ok := metric.CapacityRPS(s)
	if !ok || rps != 4270 || s.Phase.RateRPS != 4270 || s.Gate.Validity != lab.Valid ||
		len(s.SLO.Missed) != 0 {
		t.Errorf("capacity %v, offered %v, missed %v, %+v, of %q", rps, s.Phase.RateRPS, s.SLO.Missed, s.Gate,
			describeSteps(s))
	}
	attacks := w.attacks[1:]
	seeds := map[uint64]bool{}
	for i, a := range attacks {
		step := s.Search.Steps[i]
		seeds[a.Seed] = true
		confirms := step.Stage == lab.Confirmation
		if a.Kind != lab.Steady || a.Arrivals != lab.Poisson || a.Rate[0].FromRPS != step.OfferedRPS ||
			a.Rate[0].ToRPS != step.OfferedRPS || a.Rate[0].Duration != a.Duration {
			t.Errorf("step %+v is the attack %+v", step, a)
		}
		if (a.Duration >= 4*time.Second) != confirms || a.KeepHits != confirms {
			t.Errorf("step %d of stage %s lasts %v; it keeps hits: %v", i, step.Stage, a.Duration, a.KeepHits)
		}
		if step.Window.Attack.Elapsed != a.Duration {
			t.Errorf("step %d has the attack of another", i)
		}
		if used, ok := metric.ServerCPUSeconds(*step.Window); !ok || used != 0.001 {
			t.Errorf("the server used %v s in step %d, %v", used, i, ok)
		}
	}
	if len(attacks) != len(s.Search.Steps) || len(seeds) != len(attacks) {
		t.Errorf("%d attacks with %d seeds for %d steps", len(attacks), len(seeds), len(s.Search.Steps))
	}
	// Canaries are around the whole search, readings around each step. The sample has the
	// readings of the last step.
	want := "warmup usage canary usage" + strings.Repeat(" steady usage", len(attacks)) + " canary usage hits"
	if got := strings.Join(w.log, " "); got != want {
		t.Errorf("the order is\n%s, want\n%s", got, want)
	}
	if used, ok := metric.ServerCPUSeconds(*s.Measured); !ok || used != 0.001 {
		t.Errorf("the server used %v s during the last step, want 1 ms", used)
	}
	if s.Measured.Attack.Elapsed != 4*time.Second || len(w.recordedHits) != 2 {
		t.Errorf("the sample's attack lasts %v, and %d hits were kept",
			s.Measured.Attack.Elapsed, len(w.recordedHits))
	}
}

// A server that rejects requests at once keeps the latency of the others low.
func TestARateAtWhichRequestsFailMissesTheSLO(t *testing.T) {
	w := newWorld()
	e := newCapacityExperiment(w, 4300)
	baseResult := w.changeResult
	w.changeResult = func(a lab.Attack, r *account.Observation) {
		baseResult(a, r)
		if a.Kind == lab.Steady && a.Rate[0].FromRPS > 2000 {
			r.Failed = r.Sent / 200
			r.Succeeded -= r.Failed
		}
	}
	s := runOneSample(t, e, w)
	rps, _ := metric.CapacityRPS(s)
	if rps < 1900 || rps > 2000 {
		t.Errorf("capacity %v of a server that fails 0.5 %% of the requests above 2000/s: %q", rps,
			describeSteps(s))
	}
	for _, step := range s.Search.Steps {
		missed := strings.Join(step.MissedObjectives, "; ")
		if !step.SLOMet && step.OfferedRPS < 4300 &&
			!strings.HasPrefix(missed, "error_ratio at most 0.001 (0.00") {
			t.Errorf("%g/s missed %q", step.OfferedRPS, step.MissedObjectives)
		}
	}
}

func TestACapacityThatIsNotConfirmedIsLowered(t *testing.T) {
	w := newWorld()
	e := newCapacityExperiment(w, 4300)
	baseResult := w.changeResult
	confirmed := 0
	w.changeResult = func(a lab.Attack, r *account.Observation) {
		baseResult(a, r)
		if a.Kind == lab.Steady && a.Duration == 4*time.Second {
			if confirmed++; confirmed == 1 {
				*r.Corrected.P99MS = 11
			}
		}
	}
	s := runOneSample(t, e, w)
	if rps, _ := metric.CapacityRPS(s); rps != 4100 || s.Phase.RateRPS != 4100 || len(s.SLO.Missed) != 0 ||
		s.Gate.Validity != lab.Valid {
		t.Errorf("capacity %v, missed %v, %+v, of %q", rps, s.SLO.Missed, s.Gate, describeSteps(s))
	}
	steps := s.Search.Steps
	if failed := steps[len(steps)-2]; failed.SLOMet || !slices.Equal(failed.MissedObjectives,
		[]string{"latency_p99_ms below 10 (11.000000)"}) {
		t.Errorf("the first confirmation is %+v", failed)
	}
}

func TestAServerThatKeepsNoRateHasNoCapacity(t *testing.T) {
	w := newWorld()
	s := runOneSample(t, newCapacityExperiment(w, 1), w)
	if rps, ok := metric.CapacityRPS(s); ok {
		t.Errorf("capacity %v of a server that keeps the SLO at no rate", rps)
	}
	if s.Gate.Validity != lab.Valid || len(s.SLO.Missed) != 1 {
		t.Errorf("%+v, missed %v, want a valid sample", s.Gate, s.SLO.Missed)
	}
}

func TestAStepOfTooFewRequestsMissesTheSLO(t *testing.T) {
	w := newWorld()
	e := newCapacityExperiment(w, 4300)
	e.Plan.Scenarios[0].Phases[1].RateRPS = 100
	baseResult := w.changeResult
	w.changeResult = func(a lab.Attack, r *account.Observation) {
		if baseResult(a, r); a.Kind == lab.Steady && r.Sent < 1000 {
			r.Corrected.P99MS = nil
		}
	}
	s := runOneSample(t, e, w)
	if _, ok := metric.CapacityRPS(s); ok || len(s.Search.Steps) != 1 ||
		s.Search.Steps[0].MissedObjectives[0] != "latency_p99_ms has no value: 400 requests are too few" {
		t.Errorf("steps %+v", s.Search.Steps)
	}
	if !slices.Equal(s.SLO.WithoutValue, []string{"latency_p99_ms"}) {
		t.Errorf("metrics without a value %v", s.SLO.WithoutValue)
	}
}

func TestACapacityAtTheGeneratorsLimitIsABound(t *testing.T) {
	w := newWorld()
	e := newCapacityExperiment(w, 4300)
	baseResult := w.changeResult
	w.changeResult = func(a lab.Attack, r *account.Observation) {
		if baseResult(a, r); a.Kind == lab.Steady && a.Rate[0].FromRPS > 4300 {
			r.After.GeneratorCPU = 950 * a.Duration / 1000
			r.Sent, r.Succeeded = r.Sent*9/10, r.Succeeded*9/10
		}
	}
	s := runOneSample(t, e, w)
	if rps, _ := metric.CapacityRPS(s); rps != 4270 || s.Gate.Validity != lab.Censored ||
		!strings.HasPrefix(s.Gate.Reason, "generator: it used") {
		t.Errorf("capacity %v, %+v, of %q", rps, s.Gate, describeSteps(s))
	}
}

// Fast answers that are wrong must not keep an SLO.
func TestAStepMustServe99Percent(t *testing.T) {
	w := newWorld()
	e := newCapacityExperiment(w, 1e9)
	baseResult := w.changeResult
	w.changeResult = func(a lab.Attack, r *account.Observation) {
		if baseResult(a, r); a.Kind == lab.Steady && a.Rate[0].FromRPS > 2000 {
			r.Succeeded, r.Failed = r.Sent*98/100, r.Sent-r.Sent*98/100
		}
	}
	s := runOneSample(t, e, w)
	if rps, _ := metric.CapacityRPS(s); rps != 2000 {
		t.Errorf("capacity %v, of %q", rps, describeSteps(s))
	}
	missed := s.Search.Steps[2].MissedObjectives
	if want := []string{
		"error_ratio at most 0.001 (0.020000000)",
		"answered 98.0% of the scheduled requests correctly (needed: 99%)",
	}; !slices.Equal(missed, want) {
		t.Errorf("missed %v", missed)
	}
}

// Background requests are sent but not timed.
func TestAStepNeedsMoreRequestsIfFewAreTimed(t *testing.T) {
	timed, background := lab.Target{}, lab.Target{Request: lab.Request{Background: true}}
	objectives := []lab.Objective{{Metric: "latency_p90_ms"}}
	for _, c := range []struct {
		targets []lab.Target
		want    int
	}{
		{[]lab.Target{timed}, 100},
		{[]lab.Target{timed, background, background, background}, 400},
		{nil, 0},
	} {
		if got := requestsNeeded(objectives, c.targets); got != c.want {
			t.Errorf("%d targets: %d requests, want %d", len(c.targets), got, c.want)
		}
	}
}

// The share sets the first rate only: the search's steps keep their percentiles.
func TestASearchMayStartAtAShareOfThePeak(t *testing.T) {
	w := newWorld()
	e := newCapacityExperiment(w, 4300)
	e.Plan.Scenarios[0].Phases[1].RateRPS = 0
	e.Plan.Scenarios[0].Phases[1].PeakShare = &lab.PeakShare{Fraction: 1, OfOwnPeak: true}
	e.Plan.Pilots = []lab.Pilot{{Scenario: "json", Variant: "rt/a", Cores: 1, PeakRPS: 5000}}
	s := runOneSample(t, e, w)
	if rps, _ := metric.CapacityRPS(s); s.Search.Steps[0].OfferedRPS != 5000 || rps == 0 {
		t.Errorf("capacity %v, of %q", rps, describeSteps(s))
	}
}
