package wording

import (
	"fmt"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/message"
)

// Claim returns why a claim has its finding.
func Claim(c lab.ClaimVerdict) string {
	parts := c.HypothesisVerdicts
	var text string
	switch c.Finding {
	case lab.NotEvaluated:
		return notEvaluated(c)
	case lab.Supported, lab.Refuted:
		text = configurations(len(withFinding(parts, c.Finding))) + " compared"
	case lab.Depends:
		text = fmt.Sprintf("supported by %s; refuted by %s", joinIDs(withFinding(parts, lab.Supported)),
			joinIDs(withFinding(parts, lab.Refuted)))
		if undecided := withFinding(parts, lab.Inconclusive); len(undecided) > 0 {
			text += "; undecided: " + joinIDs(undecided)
		}
	case lab.Inconclusive:
		text = undecided(parts)
	}
	for _, scope := range cpuScopes(parts) {
		if !strings.Contains(text, scope) {
			text += "; " + scope
		}
	}
	if missing := withFinding(parts, lab.NotEvaluated); len(missing) > 0 {
		text += "; not compared: " + joinIDs(missing) + " (" + strings.Join(distinctReasons(missing), "; ") + ")"
	}
	return text
}

// notEvaluated returns why no hypothesis of a claim was evaluated.
func notEvaluated(c lab.ClaimVerdict) string {
	switch {
	case len(c.HypothesisVerdicts) > 0: // name the shortest profile that tests any of it
		names := lab.ProfileNames()
		shortest := slices.MinFunc(c.HypothesisVerdicts, func(a, b lab.Verdict) int {
			return slices.Index(names, a.Profile) - slices.Index(names, b.Profile)
		})
		return Reasons(shortest.Reasons...)
	case c.Lacks != "":
		return c.Lacks
	}
	return "no scenario has a hypothesis about it"
}

// undecided returns how many hypotheses are undecided and why, or how many blocks would decide all
// of them if that is known.
func undecided(parts []lab.Verdict) string {
	open := withFinding(parts, lab.Inconclusive)
	compared := len(parts) - len(withFinding(parts, lab.NotEvaluated))
	text := fmt.Sprintf("%d of %s undecided", len(open), configurations(compared))
	needed := 0
	for _, v := range open {
		if v.BlocksNeeded == 0 {
			return text + ": " + strings.Join(distinctReasons(open), "; ")
		}
		needed = max(needed, v.BlocksNeeded)
	}
	return fmt.Sprintf("%s; about %d blocks would decide", text, needed)
}

// withFinding returns the verdicts with a finding.
func withFinding(parts []lab.Verdict, f lab.Finding) (out []lab.Verdict) {
	for _, v := range parts {
		if v.Finding == f {
			out = append(out, v)
		}
	}
	return out
}

// distinctReasons returns the reasons of verdicts as text, each once.
func distinctReasons(parts []lab.Verdict) (out []string) {
	for _, v := range parts {
		if text := Reasons(v.Reasons...); !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// cpuScopes returns the CPU counts that evaluated hypotheses are limited to.
func cpuScopes(parts []lab.Verdict) (out []string) {
	for _, v := range parts {
		for _, r := range v.Reasons {
			if r.Kind == lab.CPUScope {
				out = append(out, Reason(r))
			}
		}
	}
	return out
}

func joinIDs(parts []lab.Verdict) string {
	var names []string
	for _, v := range parts {
		names = append(names, v.ID())
	}
	return strings.Join(names, ", ")
}

func configurations(n int) string { return message.Count(n, "configuration", "configurations") }
