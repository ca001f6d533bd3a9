package experiment

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/gate"
	"runtimelab/lab/metric"
)

// searching is one trial of a variant whose only measured phase is a capacity: of
// a server whose 99th percentile is 5 ms up to a rate, and 50 ms above it, where it
// is busy all the time.
func searching(w *world, capacity float64) *Experiment {
	e := experimentOn(w, "a")
	e.Plan.Trials = e.Plan.Trials[:1]
	e.Plan.Scenarios[0].Phases = []lab.Phase{
		{Name: "warmup", Kind: lab.WarmUp, Connections: 8},
		{
			Name: "capacity", Kind: lab.Capacity, RateRPS: 1000, Connections: 16, Arrivals: lab.Poisson,
			Objectives: []lab.Objective{{Metric: "latency_p99_ms", Below: true, Limit: 10}},
		},
	}
	w.busy = time.Second / 2
	w.alter = func(a lab.Attack, r *lab.AttackResult) {
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

func carriedOut(t *testing.T, e *Experiment, w *world) lab.Sample {
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

func tried(s lab.Sample) (all []string) {
	for _, step := range s.Search.Steps {
		all = append(all, fmt.Sprintf("%g %v", step.OfferedRPS, step.SLOMet))
	}
	return all
}

func TestACapacityIsSearchedForOnOneServer(t *testing.T) {
	w := newWorld()
	e := searching(w, 4300)
	e.KeepHits = true
	e.canaryTimes = map[int][]time.Duration{1: make([]time.Duration, gate.MinCanaries)}
	s := carriedOut(t, e, w)
	if len(s.Canaries.Baselines) != 1 || s.Canaries.Baselines[0].CPU != 1 {
		t.Errorf("its canaries are judged by %+v, and not by those before them", s.Canaries.Baselines)
	}
	rps, ok := metric.CapacityRPS(s)
	if !ok || rps != 4270 || s.Phase.RateRPS != 4270 || s.Gate.Validity != lab.Valid ||
		len(s.MissedObjectives) != 0 {
		t.Errorf("capacity %v, offered %v, missed %v, %+v, of %q", rps, s.Phase.RateRPS, s.MissedObjectives, s.Gate,
			tried(s))
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
			t.Errorf("step %d of stage %s lasts %v, and keeps hits: %v", i, step.Stage, a.Duration, a.KeepHits)
		}
		if step.Attack.Elapsed != a.Duration {
			t.Errorf("step %d has the attack of another", i)
		}
		if u := step.Server; !u.Known || u.After.CPU-u.Before.CPU != time.Millisecond {
			t.Errorf("step %d has no account of its server: %+v", i, u)
		}
	}
	if len(attacks) != len(s.Search.Steps) || len(seeds) != len(attacks) {
		t.Errorf("%d attacks with %d seeds for %d steps", len(attacks), len(seeds), len(s.Search.Steps))
	}
	// Canaries around the whole, readings around each step: that of the last is the
	// sample's.
	want := "warmup usage canary usage" + strings.Repeat(" steady usage", len(attacks)) + " canary usage hits"
	if got := strings.Join(w.log, " "); got != want {
		t.Errorf("went\n%s, want\n%s", got, want)
	}
	if used := s.ServerUsage.After.CPU - s.ServerUsage.Before.CPU; !s.ServerUsage.Known ||
		used != time.Millisecond {
		t.Errorf("the server used %v during the last step, want what it uses between two readings", used)
	}
	if s.Attack.Elapsed != 4*time.Second || len(w.kept) != 2 {
		t.Errorf("the sample's attack lasts %v, and %d hits were kept", s.Attack.Elapsed, len(w.kept))
	}
}

// A server that turns requests away at once keeps the latency of the others low: that
// is no rate at which it keeps its SLO, however few it turns away.
func TestACapacityIsNotReachedByFailing(t *testing.T) {
	w := newWorld()
	e := searching(w, 4300)
	usual := w.alter
	w.alter = func(a lab.Attack, r *lab.AttackResult) {
		usual(a, r)
		if a.Kind == lab.Steady && a.Rate[0].FromRPS > 2000 {
			r.Failed = r.Sent / 200
			r.Succeeded -= r.Failed
		}
	}
	s := carriedOut(t, e, w)
	rps, _ := metric.CapacityRPS(s)
	if rps < 1900 || rps > 2000 {
		t.Errorf("capacity %v of a server that fails 0.5 %% of more than 2000 a second: %q", rps, tried(s))
	}
	for _, step := range s.Search.Steps {
		if !step.SLOMet && step.OfferedRPS < 4300 && !strings.HasPrefix(strings.Join(step.MissedObjectives, "; "),
			"error_ratio at most 0.001 (0.00") {
			t.Errorf("%g/s missed %q", step.OfferedRPS, step.MissedObjectives)
		}
	}
}

func TestACapacityThatIsNotConfirmedStepsDown(t *testing.T) {
	w := newWorld()
	e := searching(w, 4300)
	usual := w.alter
	confirmed := 0
	w.alter = func(a lab.Attack, r *lab.AttackResult) {
		usual(a, r)
		if a.Kind == lab.Steady && a.Duration == 4*time.Second {
			if confirmed++; confirmed == 1 {
				*r.Corrected.P99MS = 11
			}
		}
	}
	s := carriedOut(t, e, w)
	if rps, _ := metric.CapacityRPS(s); rps != 4100 || s.Phase.RateRPS != 4100 || len(s.MissedObjectives) != 0 ||
		s.Gate.Validity != lab.Valid {
		t.Errorf("capacity %v, missed %v, %+v, of %q", rps, s.MissedObjectives, s.Gate, tried(s))
	}
	steps := s.Search.Steps
	if failed := steps[len(steps)-2]; failed.SLOMet || !slices.Equal(failed.MissedObjectives,
		[]string{"latency_p99_ms below 10 (11.000000)"}) {
		t.Errorf("the first confirmation is %+v", failed)
	}
}

func TestAServerThatKeepsNoRateHasNoCapacity(t *testing.T) {
	w := newWorld()
	s := carriedOut(t, searching(w, 1), w)
	if rps, ok := metric.CapacityRPS(s); ok {
		t.Errorf("capacity %v of a server that keeps nothing", rps)
	}
	if s.Gate.Validity != lab.Valid || len(s.MissedObjectives) != 1 {
		t.Errorf("%+v, missed %v: it is the server's doing", s.Gate, s.MissedObjectives)
	}
}

// A first rate that is too low for its quantile says so, and is not kept.
func TestAStepOfTooFewRequestsIsNotKept(t *testing.T) {
	w := newWorld()
	e := searching(w, 4300)
	e.Plan.Scenarios[0].Phases[1].RateRPS = 100
	usual := w.alter
	w.alter = func(a lab.Attack, r *lab.AttackResult) {
		if usual(a, r); a.Kind == lab.Steady && r.Sent < 1000 {
			r.Corrected.P99MS = nil
		}
	}
	s := carriedOut(t, e, w)
	if _, ok := metric.CapacityRPS(s); ok || len(s.Search.Steps) != 1 ||
		s.Search.Steps[0].MissedObjectives[0] != "latency_p99_ms has no value of 400 requests" {
		t.Errorf("steps %+v", s.Search.Steps)
	}
	if !slices.Equal(s.MetricsWithoutValue, []string{"latency_p99_ms"}) {
		t.Errorf("unknown %v", s.MetricsWithoutValue)
	}
}

// A capacity that the generator ended is a bound, as near as the search gets.
func TestACapacityBeyondTheGeneratorIsABound(t *testing.T) {
	w := newWorld()
	e := searching(w, 4300)
	usual := w.alter
	w.alter = func(a lab.Attack, r *lab.AttackResult) {
		if usual(a, r); a.Kind == lab.Steady && a.Rate[0].FromRPS > 4300 {
			r.After.GeneratorCPU = 950 * a.Duration / 1000
			r.Sent, r.Succeeded = r.Sent*9/10, r.Succeeded*9/10
		}
	}
	s := carriedOut(t, e, w)
	if rps, _ := metric.CapacityRPS(s); rps != 4270 || s.Gate.Validity != lab.Censored ||
		!strings.HasPrefix(s.Gate.Reason, "generator: it used") {
		t.Errorf("capacity %v, %+v, of %q", rps, s.Gate, tried(s))
	}
}

// Answers that are fast and wrong keep no SLO.
func TestAStepMustServe99Percent(t *testing.T) {
	w := newWorld()
	e := searching(w, 1e9)
	usual := w.alter
	w.alter = func(a lab.Attack, r *lab.AttackResult) {
		if usual(a, r); a.Kind == lab.Steady && a.Rate[0].FromRPS > 2000 {
			r.Succeeded, r.Failed = r.Sent*98/100, r.Sent-r.Sent*98/100
		}
	}
	s := carriedOut(t, e, w)
	if rps, _ := metric.CapacityRPS(s); rps != 2000 {
		t.Errorf("capacity %v, of %q", rps, tried(s))
	}
	missed := s.Search.Steps[2].MissedObjectives
	if want := []string{
		"error_ratio at most 0.001 (0.020000000)",
		"served 98.0% of what was called for (needed: 99%)",
	}; !slices.Equal(missed, want) {
		t.Errorf("missed %v", missed)
	}
}

// Requests in the background are sent and not timed: it takes more of them all.
func TestAStepIsLongerWhereFewRequestsAreTimed(t *testing.T) {
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

// A share of the peak is where a search begins, and no reason to leave out
// percentiles.
func TestASearchMayBeginAtAShareOfThePeak(t *testing.T) {
	w := newWorld()
	e := searching(w, 4300)
	e.Plan.Scenarios[0].Phases[1].RateRPS = 0
	e.Plan.Scenarios[0].Phases[1].PeakShare = &lab.PeakShare{Fraction: 1, OfOwnPeak: true}
	e.Plan.Pilots = []lab.Pilot{{Scenario: "json", Variant: "rt/a", Cores: 1, PeakRPS: 5000}}
	s := carriedOut(t, e, w)
	if rps, _ := metric.CapacityRPS(s); s.Search.Steps[0].OfferedRPS != 5000 || rps == 0 {
		t.Errorf("capacity %v, of %q", rps, tried(s))
	}
}
