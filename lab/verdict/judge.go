package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
)

// Result holds the verdicts of a run.
type Result struct {
	Controls []lab.ControlVerdict
	Claims   []lab.ClaimVerdict // every claim of the plan, in its order
	Doubts   []string           // warnings about verdicts that stand

	UntestableTopics []lab.UntestableTopic // those of the plan

	Measured, Planned int // numbers of trials
}

// Complete reports whether all planned trials were measured.
func (r Result) Complete() bool { return r.Measured >= r.Planned }

// ControlsPassed reports whether no control failed.
func (r Result) ControlsPassed() bool {
	return !slices.ContainsFunc(r.Controls, func(c lab.ControlVerdict) bool { return !c.Passed })
}

// Judge evaluates a run's rows against its plan. measured is the number of trials that were
// measured, valid or not. It decides nothing before all planned trials are measured: stopping when
// the result looks good would bias it.
func Judge(p lab.Plan, rows []metric.Row, measured int) Result {
	r := Result{Measured: measured, Planned: len(p.Trials), UntestableTopics: p.UntestableTopics}
	table, blocks := tabulate(rows), max(p.Profile.Blocks, int(lastBlock(rows)))
	for _, c := range p.Controls {
		r.Controls = append(r.Controls, judgeControl(c, table, blocks))
	}
	verdicts := judgeHypotheses(p, table, blocks)
	switch failed := failedControls(r.Controls); {
	case !r.Complete():
		makeInconclusive(verdicts, fmt.Sprintf(
			"the run is not complete (%d of %s); lab run --resume %s finishes it",
			r.Measured, message.Count(r.Planned, "trial", "trials"), runID(rows)))
	case failed != "":
		makeInconclusive(verdicts, "a control failed ("+failed+")")
	}
	addCPUScope(verdicts)
	for _, c := range claimsOf(p) {
		var parts []lab.Verdict
		for _, v := range verdicts {
			if v.Claim == c.ID {
				parts = append(parts, v)
			}
		}
		r.Claims = append(r.Claims, judgeClaim(c, parts))
	}
	r.Doubts = doubts(p, table, verdicts)
	return r
}

// judgeHypotheses returns the verdicts on all hypotheses of a plan, those that the run does not
// test included.
func judgeHypotheses(p lab.Plan, rows rowTable, blocks int) (out []lab.Verdict) {
	if !p.Profile.CanCompare() {
		for _, h := range slices.Concat(p.Hypotheses, p.UntestedHypotheses) {
			reason := p.Profile.Name + " compares nothing"
			out = append(out, lab.Verdict{Hypothesis: h, Finding: lab.NotEvaluated, Reason: reason})
		}
		return out
	}
	var tests []*hypothesisTest
	for _, h := range p.Hypotheses {
		tests = append(tests, newTest(h, p.Peers, rows, blocks))
	}
	decideAll(tests)
	for _, t := range tests {
		out = append(out, t.verdict)
	}
	for _, h := range p.UntestedHypotheses {
		out = append(out, lab.Verdict{Hypothesis: h, Finding: lab.NotEvaluated, Reason: notTestedReason(p, h)})
	}
	return out
}

// notTestedReason returns why the run does not test a hypothesis.
func notTestedReason(p lab.Plan, h lab.Hypothesis) string {
	names := lab.ProfileNames()
	if slices.Index(names, h.Profile) > slices.Index(names, p.Profile.Name) {
		return fmt.Sprintf("not evaluated at %s; %s tests it", p.Profile.Name, h.Profile)
	}
	return "not part of this run"
}

// failedControls returns the names of the failed controls, or "" if none failed.
func failedControls(controls []lab.ControlVerdict) string {
	var names []string
	for _, c := range controls {
		if !c.Passed {
			names = append(names, c.Name)
		}
	}
	return strings.Join(names, ", ")
}

// addCPUScope adds to each verdict which CPU counts it compares, if several.
func addCPUScope(verdicts []lab.Verdict) {
	for i := range verdicts {
		v := &verdicts[i]
		text := cpuScope(v.Hypothesis)
		switch {
		case text == "" || v.Finding == lab.NotEvaluated:
		case v.Reason == "":
			v.Reason = text
		default:
			v.Reason += "; " + text
		}
	}
}

// makeInconclusive makes every evaluated verdict inconclusive. It keeps the figures, which were
// measured.
func makeInconclusive(verdicts []lab.Verdict, why string) {
	for i := range verdicts {
		if v := &verdicts[i]; v.Finding != lab.NotEvaluated {
			v.Finding, v.BlocksNeeded, v.Reason = lab.Inconclusive, 0, why
		}
	}
}

// runID returns the id of the run that rows belong to, or a placeholder if there are none.
func runID(rows []metric.Row) string {
	if len(rows) == 0 {
		return "RUN"
	}
	return cmp.Or(rows[0].Text("run_id"), "RUN")
}
