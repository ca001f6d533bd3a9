package report

import (
	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/scaling"
	"runtimelab/lab/verdict"
)

// New returns the report of a run without its files of latencies and seconds: its plan, its rows in
// order, how many planned trials were measured, and the checks of its calibration.
func New(p lab.Plan, rows []metric.Row, measured int, checks ...lab.CrossCheck) Report {
	judged := verdict.Judge(p, rows, measured, checks...)
	r := Report{
		// Empty lists, not nil, so that JSON has [] instead of null.
		Controls:  append([]lab.ControlVerdict{}, judged.Controls...),
		Claims:    append([]lab.ClaimVerdict{}, judged.Claims...),
		Topics:    append([]lab.UntestableTopic{}, judged.UntestableTopics...),
		Scaling:   append([]scaling.Curve{}, serverCurves(scaling.Curves(rows))...),
		Figures:   []Section{},
		Attempts:  attempts(rows),
		Loads:     append([]LoadPoint{}, openLoops(rows)...),
		Latencies: []Distribution{},
		Timeline:  []Timeline{},
		Doubts:    append(append([]lab.Reason{}, judged.Doubts...), stealDoubts(rows)...),
	}
	r.Counts = Counts{Blocks: countBlocks(rows), Measured: judged.Measured, Planned: judged.Planned}
	r.Valid, r.Trials = countTrials(rows)
	for i, c := range r.Claims {
		if c.HypothesisVerdicts == nil {
			r.Claims[i].HypothesisVerdicts = []lab.Verdict{}
		}
	}
	for _, row := range rows {
		r.RunID, r.HostID = row.Text("run_id"), row.Text("host_id")
	}
	for _, scenario := range byScenario(rows) {
		r.Figures = append(r.Figures, sections(scenario[0].Text("scenario"), scenario)...)
	}
	switch {
	case len(p.Hypotheses)+len(p.UntestedHypotheses)+len(p.Promises)+len(p.UntestedPromises) == 0:
		r.Untested = &lab.Reason{Kind: lab.NoHypotheses}
	case !p.Profile.CanCompare():
		r.Untested = &lab.Reason{Kind: lab.ComparesNothing, Subject: p.Profile.Name}
	case len(p.Hypotheses)+len(p.Promises) == 0:
		r.Untested = &lab.Reason{Kind: lab.NoHypothesisTested}
	}
	return r
}

// byScenario returns the rows of each scenario, in the order of each scenario's first row.
func byScenario(rows []metric.Row) (scenarios [][]metric.Row) {
	index := map[string]int{}
	for _, r := range rows {
		name := r.Text("scenario")
		i, known := index[name]
		if !known {
			i = len(scenarios)
			index[name], scenarios = i, append(scenarios, nil)
		}
		scenarios[i] = append(scenarios[i], r)
	}
	return scenarios
}

func countBlocks(rows []metric.Row) int {
	blocks := map[int64]bool{}
	for _, r := range rows {
		if b, ok := r.Int("block"); ok {
			blocks[b] = true
		}
	}
	return len(blocks)
}

// serverCurves returns the curves of servers under test. The native burn's is shown with each of
// them.
func serverCurves(all []scaling.Curve) (out []scaling.Curve) {
	for _, c := range all {
		if c.Scenario != lab.BurnScenario {
			out = append(out, c)
		}
	}
	return out
}

// maxSteal is the share of the CPUs that the hypervisor may take before the report says so: 10 % of
// one of two CPUs.
const maxSteal = 0.05

func stealDoubts(rows []metric.Row) []lab.Reason {
	highest := 0.0
	for _, r := range metric.UsableRows(rows) {
		if steal, ok := r.Float("steal_ratio"); ok {
			highest = max(highest, steal)
		}
	}
	if highest <= maxSteal {
		return nil
	}
	return []lab.Reason{{Kind: lab.CPUsStolen, Value: highest, Limit: maxSteal}}
}

// openLoops returns the latencies of open loops at their offered rates, those of disturbed and failed
// phases included.
func openLoops(rows []metric.Row) (points []LoadPoint) {
	for _, r := range rows {
		offered, ok := r.Float("offered_rps")
		if !ok || !isOpen(r) {
			continue
		}
		points = append(points, LoadPoint{
			TrialID: r.TrialID(), Phase: r.Text("phase"), OfferedRPS: offered, Validity: validity(r),
			P50MS: number(r, "latency_p50_ms"), P99MS: number(r, "latency_p99_ms"),
			GoodputRPS: number(r, "goodput_rps"),
		})
	}
	return points
}

// number returns a value of a row, or nil if it is missing.
func number(r metric.Row, name string) *float64 {
	if x, ok := r.Float(name); ok {
		return &x
	}
	return nil
}
