package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// Result is what a run says.
type Result struct {
	Controls []lab.ControlVerdict
	Claims   []lab.ClaimVerdict // every claim of the lab, in its order
	Doubts   []string           // what weakens verdicts that stand

	Measured, Planned int // trials
}

// Complete reports whether all that was planned has been measured.
func (r Result) Complete() bool { return r.Measured >= r.Planned }

// Passed reports whether no control failed.
func (r Result) Passed() bool {
	return !slices.ContainsFunc(r.Controls, func(c lab.ControlVerdict) bool { return !c.Passed })
}

// Judge holds a run's rows against its plan, of which so many trials have been
// measured, whatever came of them. Before they all are nothing is decided: whoever
// may go on where he does not like what he sees finds what is not there.
func Judge(p lab.Plan, rows []metric.Row, measured int) Result {
	r := Result{Measured: measured, Planned: len(p.Trials)}
	t, n := tabulate(rows), max(p.Profile.Blocks, int(newestBlock(rows)))
	for _, c := range p.Controls {
		r.Controls = append(r.Controls, control(c, t, n))
	}
	verdicts := verdictsOf(p, t, n)
	switch failed := failures(r.Controls); {
	case !r.Complete():
		withhold(verdicts, fmt.Sprintf("the run is not complete (%d of %d trials); lab run --resume %s finishes it", r.Measured, r.Planned, runOf(rows)))
	case failed != "":
		withhold(verdicts, "a control failed ("+failed+")")
	}
	limit(verdicts)
	for _, c := range lab.Claims() {
		var parts []lab.Verdict
		for _, v := range verdicts {
			if v.Claim == c.ID {
				parts = append(parts, v)
			}
		}
		r.Claims = append(r.Claims, claim(c, parts))
	}
	r.Doubts = doubts(p, t, verdicts)
	return r
}

// verdictsOf are those on all hypotheses: that the run tests, and that it does
// not.
func verdictsOf(p lab.Plan, rows table, blocks int) (out []lab.Verdict) {
	if !p.Profile.Compares() {
		for _, h := range slices.Concat(p.Hypotheses, p.Beyond) {
			out = append(out, lab.Verdict{Hypothesis: h, Finding: lab.NotEvaluated, Reason: p.Profile.Name + " compares nothing"})
		}
		return out
	}
	var tests []*test
	for _, h := range p.Hypotheses {
		tests = append(tests, prepare(h, rows, blocks))
	}
	decideAll(tests)
	for _, t := range tests {
		out = append(out, t.verdict)
	}
	for _, h := range p.Beyond {
		out = append(out, lab.Verdict{Hypothesis: h, Finding: lab.NotEvaluated, Reason: whyBeyond(p, h)})
	}
	return out
}

func whyBeyond(p lab.Plan, h lab.Hypothesis) string {
	names := lab.ProfileNames()
	if slices.Index(names, h.Profile) > slices.Index(names, p.Profile.Name) {
		return fmt.Sprintf("not evaluated at %s; %s tests it", p.Profile.Name, h.Profile)
	}
	return "not part of this run"
}

// failures names the controls that failed; empty where none did.
func failures(controls []lab.ControlVerdict) string {
	var names []string
	for _, c := range controls {
		if !c.Passed {
			names = append(names, c.Name)
		}
	}
	return strings.Join(names, ", ")
}

// limit has every verdict on several numbers of CPUs say which.
func limit(verdicts []lab.Verdict) {
	for i := range verdicts {
		v := &verdicts[i]
		text := cores(v.Hypothesis)
		switch {
		case text == "" || v.Finding == lab.NotEvaluated:
		case v.Reason == "":
			v.Reason = text
		default:
			v.Reason += "; " + text
		}
	}
}

// withhold makes every verdict inconclusive. Figures stay: they are what was read.
func withhold(verdicts []lab.Verdict, why string) {
	for i := range verdicts {
		if v := &verdicts[i]; v.Finding != lab.NotEvaluated {
			v.Finding, v.BlocksNeeded, v.Reason = lab.Inconclusive, 0, why
		}
	}
}

// runOf is the run that rows are of; a word for it where there are none.
func runOf(rows []metric.Row) string {
	if len(rows) == 0 {
		return "RUN"
	}
	return cmp.Or(rows[0].Text("run_id"), "RUN")
}
