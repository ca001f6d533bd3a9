package verdict

import (
	"cmp"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// Result holds the verdicts of a run.
type Result struct {
	Controls []lab.ControlVerdict
	Claims   []lab.ClaimVerdict // every claim of the plan, in its order
	Doubts   []lab.Reason       // warnings about verdicts that stand

	UntestableTopics []lab.UntestableTopic // those of the plan

	Measured, Planned int // numbers of trials
}

// Complete reports whether all planned trials were measured.
func (r Result) Complete() bool { return r.Measured >= r.Planned }

// ControlsPassed reports whether no control failed.
func (r Result) ControlsPassed() bool {
	return !slices.ContainsFunc(r.Controls, func(c lab.ControlVerdict) bool { return !c.Passed })
}

// Judge evaluates a run's rows against its plan, with the checks of its calibration as a control.
// measured is the number of trials that were measured, valid or not. It decides nothing before all
// planned trials are measured: stopping when the result looks good would bias it.
func Judge(p lab.Plan, rows []metric.Row, measured int, checks ...lab.CrossCheck) Result {
	r := Result{Measured: measured, Planned: len(p.Trials), UntestableTopics: p.UntestableTopics}
	table, blocks := tabulate(rows), max(p.Profile.Blocks, int(lastBlock(rows)))
	for _, c := range p.Controls {
		r.Controls = append(r.Controls, judgeControl(c, table, blocks))
	}
	if len(checks) > 0 {
		r.Controls = append(r.Controls, judgeCrossChecks(checks))
	}
	var void *lab.Reason // why no verdict of the run stands
	switch failed := failedControls(r.Controls); {
	case !r.Complete():
		void = &lab.Reason{Kind: lab.RunIncomplete, Count: r.Measured, Total: r.Planned, Subject: runID(rows)}
	case len(failed) > 0:
		void = &lab.Reason{Kind: lab.ControlFailed, Names: failed}
	}
	verdicts := judgeHypotheses(p, table, blocks)
	if void != nil {
		makeInconclusive(verdicts, *void)
	}
	addCPUScope(verdicts)
	promises := judgePromises(p, newPromiseJudge(rows, table, p.Peers, blocks), void)
	for _, c := range claimsOf(p) {
		r.Claims = append(r.Claims, judgeClaim(c, verdicts, promises))
	}
	r.Doubts = doubts(p, table, verdicts)
	return r
}

// judgeHypotheses returns the verdicts on all hypotheses of a plan, those that the run does not
// test included.
func judgeHypotheses(p lab.Plan, rows rowTable, blocks int) (out []lab.Verdict) {
	if !p.Profile.CanCompare() {
		for _, h := range slices.Concat(p.Hypotheses, p.UntestedHypotheses) {
			reasons := []lab.Reason{{Kind: lab.ComparesNothing, Subject: p.Profile.Name}}
			out = append(out, lab.Verdict{Hypothesis: h, Finding: lab.NotEvaluated, Reasons: reasons})
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
		out = append(out, lab.Verdict{
			Hypothesis: h, Finding: lab.NotEvaluated, Reasons: []lab.Reason{notTestedReason(p, h.Profile)},
		})
	}
	return out
}

// notTestedReason returns why the run does not test a hypothesis or a promise. shortest is the
// shortest profile that does.
func notTestedReason(p lab.Plan, shortest string) lab.Reason {
	names := lab.ProfileNames()
	if slices.Index(names, shortest) > slices.Index(names, p.Profile.Name) {
		return lab.Reason{
			Kind: lab.TestedByLongerProfile, Subject: p.Profile.Name, Names: []string{shortest},
		}
	}
	return lab.Reason{Kind: lab.NotInThisRun}
}

// failedControls returns the names of the failed controls.
func failedControls(controls []lab.ControlVerdict) (names []string) {
	for _, c := range controls {
		if !c.Passed {
			names = append(names, c.Name)
		}
	}
	return names
}

// addCPUScope adds to each verdict which CPU counts it compares, if several.
func addCPUScope(verdicts []lab.Verdict) {
	for i := range verdicts {
		if v := &verdicts[i]; v.Finding != lab.NotEvaluated {
			v.Reasons = slices.Concat(v.Reasons, cpuScope(v.Hypothesis))
		}
	}
}

// makeInconclusive makes every evaluated verdict inconclusive. It keeps the figures, which were
// measured.
func makeInconclusive(verdicts []lab.Verdict, why lab.Reason) {
	for i := range verdicts {
		if v := &verdicts[i]; v.Finding != lab.NotEvaluated {
			v.Finding, v.BlocksNeeded, v.Reasons = lab.Inconclusive, 0, []lab.Reason{why}
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
