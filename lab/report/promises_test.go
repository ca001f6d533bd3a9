package report_test

import (
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// promisedRun has promises at two rates: the first variant keeps the promise at the lower one, where the
// second misses it once.
func promisedRun() (lab.Plan, []metric.Row) {
	const n, p = "node/single", "python/uvloop"
	promise := lab.Promise{
		Scenario: "json", Profile: "quick", Claim: "use-1", Variant: n, Cores: 1,
		Phases: []string{"steady-1", "steady-2"},
		Limits: []lab.Limit{{Metric: "latency_p99_ms", Value: 100}, {Metric: "error_ratio", Value: 0}},
	}
	highest, longer := promise, promise
	highest.Claim, highest.Variant, highest.HighestKeptBy, highest.Broken = "use-4", p, n, true
	longer.Profile = "full"
	plan := lab.Plan{
		Profile: lab.Profile{Name: "quick", Blocks: 6},
		PlannedClaims: lab.PlannedClaims{Claims: []lab.Claim{
			{ID: "use-1", Statement: "Node suits it."}, {ID: "use-4", Statement: "Python does not."},
		}},
		PlannedPromises: lab.PlannedPromises{
			Promises: []lab.Promise{promise, highest}, UntestedPromises: []lab.Promise{longer},
		},
	}
	var rows []metric.Row
	add := func(variant, phase string, block int64, p50 float64) {
		r := inPhase(steady(variant, block, lab.Valid, p50), phase)
		r["mode"], r["server_cpus"], r["requests"] = metric.Text("open"), metric.Int(1), metric.Int(5000)
		rows = append(rows, with(with(r, "error_ratio", metric.Number(0)), "sent_ratio", metric.Number(1)))
	}
	for block := int64(1); block <= 6; block++ {
		add(n, "steady-1", block, 2)
		add(n, "steady-2", block, 20)
		second := 3.0
		if block == 4 {
			second = 14.32
		}
		add(p, "steady-1", block, second)
		add(p, "steady-2", block, 30)
	}
	return plan, rows
}

func TestReportsHavePromises(t *testing.T) {
	r := reportOf(promisedRun())
	for name, c := range map[string]struct{ text, want string }{
		"text": {r.Text(), "  use-1  depends    node/single kept up to steady-1"},
		"text of the highest rate": {
			r.Text(), "  use-4  supported  python/uvloop broken at steady-1 in 1 of 6 trials",
		},
		"full text": {
			r.FullText(), "json: the promise of node/single, latency_p99_ms <= 100 and error_ratio <= 0: " +
				"kept up to steady-1 supports: steady-1: 6 of 6 trials kept it: at least 60 % of trials do (95 %); " +
				"error_ratio was 0 in 30000 requests: at most 0.01 % refutes: steady-2: 0 of 6 trials kept it: " +
				"at least 0 % of trials do (95 %); 6 of 6 trials missed it: latency_p99_ms was 200, limit 100, " +
				"in block 1 (the worst of 6) not judged: json: node/single keeps",
		},
		"full text of a miss": {
			r.FullText(), "supports: steady-1: 5 of 6 trials kept it: at least 41 % of trials do (95 %); " +
				"1 of 6 trials missed it: latency_p99_ms was 143.2, limit 100, in block 4",
		},
		"markdown": {r.Markdown(), "| use-1 | depends | node/single kept up to steady-1 | Node suits it. |"},
		"figures":  {r.Text(), "json: p50 and p99 at 2500 req/s (steady-1) node/single"},
	} {
		if got := strings.Join(strings.Fields(c.text), " "); !strings.Contains(got,
			strings.Join(strings.Fields(c.want), " ")) {
			t.Errorf("%s has no %q:\n%s", name, c.want, c.text)
		}
	}
	if strings.Contains(r.Text(), "no ratio") {
		t.Errorf("a promise has no ratio, and none is missing:\n%s", r.Text())
	}
	validate(t, "promises", r)
}

// A run that only has promises tests claims.
func TestARunOfPromisesIsTested(t *testing.T) {
	plan, rows := promisedRun()
	if r := reportOf(plan, rows); r.Untested != nil {
		t.Errorf("untested: %+v", r.Untested)
	}
	plan.Promises, plan.UntestedPromises = nil, plan.Promises
	if r := reportOf(plan, rows); r.Untested == nil || r.Untested.Kind != lab.NoHypothesisTested {
		t.Errorf("untested: %+v", r.Untested)
	}
	plan.UntestedPromises = nil
	if r := reportOf(plan, rows); r.Untested == nil || r.Untested.Kind != lab.NoHypotheses {
		t.Errorf("untested: %+v", r.Untested)
	}
}
