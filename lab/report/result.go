package report

import (
	"fmt"
	"math"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/wording"
)

// Found returns in a sentence how many claims have which finding.
func (r Report) Found() string {
	if r.Untested != nil {
		return "No claim was tested: " + wording.Reason(*r.Untested) + "."
	}
	counts := map[lab.Finding]int{}
	for _, c := range r.Claims {
		counts[c.Finding]++
	}
	var parts []string
	for _, f := range []lab.Finding{
		lab.Supported, lab.Refuted, lab.Depends, lab.Inconclusive, lab.NotEvaluated,
	} {
		if n := counts[f]; n > 0 && len(parts) == 0 {
			parts = append(parts, fmt.Sprintf("%s %s", message.Count(n, "claim", "claims"), f))
		} else if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, f))
		}
	}
	return strings.Join(parts, ", ") + "."
}

// Instrument returns in a sentence whether the controls show that the instrument can be trusted.
func (r Report) Instrument() string {
	if len(r.Controls) == 0 {
		return "No control was measured: nothing checks the instrument."
	}
	if !r.ControlsPassed() {
		return "CONTROLS FAILED: every verdict is inconclusive."
	}
	var parts []string
	for _, c := range r.Controls {
		text := c.Name
		if v := c.Verdict; v.Ratio != nil {
			text += fmt.Sprintf(" %.3f [%s, %s]", *v.Ratio, controlEnd(v.Low), controlEnd(v.High))
		}
		if c.ExpectedRatio != 1 {
			text += fmt.Sprintf(" of %.2f", c.ExpectedRatio)
		}
		parts = append(parts, text)
	}
	return "Controls passed: " + strings.Join(parts, ", ") + "."
}

// controlEnd returns an end of a control's interval.
func controlEnd(x *float64) string {
	if x == nil {
		return "open"
	}
	return fmt.Sprintf("%.3f", *x)
}

// PhaseCounts returns in a sentence how many phases are valid, bounds, disturbed and failed.
func (r Report) PhaseCounts() string {
	counts := map[lab.Validity]int{}
	for _, a := range r.Attempts {
		for _, p := range a.Phases {
			counts[p.Validity]++
		}
	}
	text := fmt.Sprintf("Phases: %d valid", counts[lab.Valid])
	if n := counts[lab.Censored]; n > 0 {
		text += fmt.Sprintf(", %d censored (%s)", n, boundNoun(n))
	}
	for _, v := range []lab.Validity{lab.Disturbed, lab.Failed} {
		if n := counts[v]; n > 0 {
			text += fmt.Sprintf(", %d %s", n, v)
		}
	}
	return text + "."
}

func boundNoun(n int) string {
	if n == 1 {
		return "a bound"
	}
	return "bounds"
}

// Incomplete returns in a sentence that the run decides nothing yet; empty if it is complete.
func (r Report) Incomplete() string {
	if r.Complete() {
		return ""
	}
	return "THE RUN IS NOT COMPLETE: every verdict is inconclusive. To finish it: lab run --resume " + r.RunID
}

// evaluated returns the claims that were evaluated.
func (r Report) evaluated() (out []lab.ClaimVerdict) {
	if r.Untested != nil {
		return nil
	}
	for _, c := range r.Claims {
		if c.Finding != lab.NotEvaluated {
			out = append(out, c)
		}
	}
	return out
}

// Result returns what was measured of a claim in a few words: its ratio, or how its hypotheses came
// out, and why it is inconclusive, unless that is so of every claim of the run; and up to where its
// promises are kept.
func Result(c lab.ClaimVerdict) string {
	var parts []string
	if text := comparisons(c); text != "" {
		parts = append(parts, text)
	}
	for _, v := range c.PromiseVerdicts {
		if len(v.Judged) > 0 {
			parts = append(parts, v.Variant+" "+wording.PromiseBrief(v))
		}
	}
	return strings.Join(parts, "; ")
}

// comparisons returns how a claim's hypotheses came out; empty without one that was evaluated.
func comparisons(c lab.ClaimVerdict) string {
	var tested []lab.Verdict
	counts := map[lab.Finding]int{}
	for _, v := range c.HypothesisVerdicts {
		if v.Finding != lab.NotEvaluated {
			tested = append(tested, v)
			counts[v.Finding]++
		}
	}
	if len(tested) == 1 {
		parts := []string{"no ratio"}
		if v := tested[0]; v.Ratio != nil {
			parts[0] = RatioWithInterval(v)
		}
		if why := wording.Brief(tested[0].Reasons); why != "" && c.Finding == lab.Inconclusive {
			parts = append(parts, why)
		}
		return strings.Join(parts, ", ")
	}
	if len(tested) == 0 {
		return ""
	}
	if counts[c.Finding] == len(tested) && c.Finding != lab.Inconclusive {
		return rangeOfRatios(tested)
	}
	var parts []string
	for _, f := range []struct {
		finding lab.Finding
		one     string
		many    string
	}{
		{lab.Supported, "supports", "support"},
		{lab.Refuted, "refutes", "refute"},
		{lab.Inconclusive, "undecided", "undecided"},
	} {
		if n := counts[f.finding]; n > 0 {
			parts = append(parts, message.Count(n, f.one, f.many))
		}
	}
	return strings.Join(parts, ", ")
}

// rangeOfRatios returns the lowest and the highest ratio of several verdicts.
func rangeOfRatios(verdicts []lab.Verdict) string {
	lowest, highest := math.Inf(1), math.Inf(-1)
	for _, v := range verdicts {
		if v.Ratio != nil {
			lowest, highest = min(lowest, *v.Ratio), max(highest, *v.Ratio)
		}
	}
	return fmt.Sprintf("%s to %s, %d comparisons", interval(lowest, "x", nil, nil, math.Round),
		interval(highest, "x", nil, nil, math.Round), len(verdicts))
}

// usedByClaims returns the figures of the arms of evaluated hypotheses and promises. If no claim was
// evaluated, it returns all figures.
func (r Report) usedByClaims() (used []Section) {
	var arms []scenarioArm
	for _, c := range r.evaluated() {
		for _, v := range c.HypothesisVerdicts {
			if v.Finding == lab.NotEvaluated {
				continue
			}
			for _, a := range v.Arms() {
				arms = append(arms, scenarioArm{v.Scenario, a})
			}
		}
		for _, v := range c.PromiseVerdicts {
			for _, j := range v.Judged {
				arms = append(arms, scenarioArm{v.Scenario, v.Arm(j.Phase)})
			}
		}
	}
	if len(arms) == 0 {
		return r.Figures
	}
	for _, s := range r.Figures {
		var lines []Line
		for _, l := range s.Lines {
			for _, a := range arms {
				if a.isOf(s, l) {
					lines = append(lines, l)
					break
				}
			}
		}
		if len(lines) > 0 {
			s.Lines = lines
			used = append(used, s)
		}
	}
	return used
}

// scenarioArm is an arm of a hypothesis with its scenario.
type scenarioArm struct {
	scenario string
	lab.Arm
}

// isOf reports whether an arm is measured by a line of a section.
func (a scenarioArm) isOf(s Section, l Line) bool {
	return a.scenario == s.Scenario && a.Variant == l.Variant &&
		(a.Phase == s.ClosedPhase || a.Phase == s.OpenPhase) &&
		(s.CPUs == 0 || s.CPUs == int64(max(a.Cores, 1)))
}
