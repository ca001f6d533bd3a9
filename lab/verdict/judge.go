package verdict

import (
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
}

// Passed reports whether no control failed.
func (r Result) Passed() bool {
	return !slices.ContainsFunc(r.Controls, func(c lab.ControlVerdict) bool { return !c.Passed })
}

// Judge holds a run's rows against its plan.
func Judge(p lab.Plan, rows []metric.Row) Result {
	var r Result
	t, n := tabulate(rows), max(p.Profile.Blocks, int(newestBlock(rows)))
	for _, c := range p.Controls {
		r.Controls = append(r.Controls, control(c, t, n))
	}
	verdicts := verdictsOf(p, t, n)
	if failed := failures(r.Controls); failed != "" {
		distrust(verdicts, failed)
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

// distrust makes every verdict inconclusive. Figures stay: they are what was
// read, by an instrument that is wrong.
func distrust(verdicts []lab.Verdict, failed string) {
	for i := range verdicts {
		if v := &verdicts[i]; v.Finding != lab.NotEvaluated {
			v.Finding, v.BlocksNeeded = lab.Inconclusive, 0
			v.Reason = "a control failed (" + failed + ")"
		}
	}
}
