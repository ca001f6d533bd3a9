package session

import (
	"testing"
	"testing/synctest"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/engine/memory"
	"runtimelab/lab/record"
	"runtimelab/lab/report"
	"runtimelab/lab/wording"
)

// promisesPlan returns a plan of one scenario at three rates on two variants. The first promises a tail
// of 2 ms, and the claim about the second is that it breaks that at the highest rate that the first keeps.
func promisesPlan(layout lab.Layout) lab.Plan {
	phases := []string{"steps-2000", "steps-5000", "steps-9000"}
	first := lab.Promise{
		Scenario: "rates", Profile: "quick", Claim: "use-1", Variant: "rt/a", Cores: 1, Phases: phases,
		Limits: []lab.Limit{{Metric: "latency_p99_ms", Value: 2}, {Metric: "error_ratio"}},
	}
	second := first
	second.Claim, second.Variant, second.HighestKeptBy, second.Broken = "use-4", "rt/b", "rt/a", true
	s := lab.Scenario{
		Name: "rates", Requests: []lab.Request{{Method: "GET", Path: "/rates"}},
		Phases: []lab.Phase{{Name: "warmup", Kind: lab.WarmUp, Connections: 8}},
	}
	for i, rate := range []float64{2000, 5000, 9000} {
		s.Phases = append(s.Phases, lab.Phase{Name: phases[i], Kind: lab.Steps, Connections: 16, RateRPS: rate})
	}
	p := lab.Plan{
		Profile: lab.Profile{
			Name: "quick", Blocks: 7, WarmUpMax: 4 * time.Second, SteadyDuration: 5 * time.Second,
		},
		Scenarios: []lab.Scenario{s}, Layout: layout,
		PlannedPromises: lab.PlannedPromises{Promises: []lab.Promise{first, second}},
	}
	for block := 1; block <= p.Profile.Blocks; block++ {
		for i, v := range []string{"rt/a", "rt/b"} {
			p.Trials = append(p.Trials, lab.Trial{
				Scenario: s.Name, Variant: v, Cores: 1, Block: block, Position: i + 1, Attempt: 1,
				Seed: uint64(len(p.Trials)),
			})
		}
	}
	return p
}

// A whole run on an engine in memory, from its plan to the report: a server with half of the peak of
// another breaks the promise at the highest rate at which the other keeps it.
func TestPromisesOfAWholeRun(t *testing.T) {
	dir := fastTempDir(t)
	synctest.Test(t, func(t *testing.T) {
		w := &wholeRun{t: t, engine: memory.New()}
		w.engine.Answer = answerOf
		w.engine.PeakRPS = func(s lab.Service) float64 {
			if s.Name == "rt/b" {
				return 5000
			}
			return 10_000
		}
		w.start(dir, promisesPlan)
		if err := w.session(); err != nil {
			t.Fatal(err)
		}
		stored, err := record.Read(w.dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(stored.Rows) != 42 {
			t.Fatalf("%d rows, want 42", len(stored.Rows))
		}
		r := report.New(stored.Info.Plan, stored.Rows, len(w.plan.Trials))
		for i, want := range []struct {
			finding     lab.Finding
			brief, kept string
		}{
			{
				lab.Depends, "kept up to steps-5000",
				"7 of 7 trials kept it: at least 65 % of trials do (95 %); error_ratio was 0 in 35000 requests: " +
					"at most 0.0086 %",
			},
			{
				lab.Supported, "broken at steps-5000 in 7 of 7 trials",
				"0 of 7 trials kept it: at least 0 % of trials do (95 %)",
			},
		} {
			claim := r.Claims[i]
			v := claim.PromiseVerdicts[0]
			if claim.Finding != want.finding || wording.PromiseBrief(v) != want.brief ||
				wording.Kept(v.Judged[0]) != want.kept {
				t.Errorf("%s: %s: %q, %q; want %+v", claim.ID, claim.Finding, wording.PromiseBrief(v),
					wording.Kept(v.Judged[0]), want)
			}
		}
	})
}
