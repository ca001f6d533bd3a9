package verdict

import (
	"fmt"
	"slices"
	"strings"

	"runtimelab/lab"
)

// Claim is what the verdicts on a claim's hypotheses say of the claim. One that
// was not evaluated says nothing, for or against.
//
//	supported  refuted  inconclusive  ->
//	-          -        -             not evaluated
//	yes        yes      any           depends
//	not both            yes           inconclusive
//	yes        -        -             supported
//	-          yes      -             refuted
func Claim(parts ...lab.Finding) lab.Finding {
	has := func(f lab.Finding) bool { return slices.Contains(parts, f) }
	switch {
	case has(lab.Supported) && has(lab.Refuted):
		return lab.Depends
	case has(lab.Inconclusive):
		return lab.Inconclusive
	case has(lab.Supported):
		return lab.Supported
	case has(lab.Refuted):
		return lab.Refuted
	}
	return lab.NotEvaluated
}

func claim(c lab.Claim, parts []lab.Verdict) lab.ClaimVerdict {
	var findings []lab.Finding
	for _, v := range parts {
		findings = append(findings, v.Finding)
	}
	out := lab.ClaimVerdict{Claim: c, Finding: Claim(findings...), Parts: parts}
	switch out.Finding {
	case lab.NotEvaluated:
		out.Reason = unevaluated(c, parts)
		return out
	case lab.Supported, lab.Refuted:
		out.Reason = count(len(with(parts, out.Finding))) + " compared"
	case lab.Depends:
		out.Reason = fmt.Sprintf("supported by %s; refuted by %s", list(with(parts, lab.Supported)), list(with(parts, lab.Refuted)))
		if undecided := with(parts, lab.Inconclusive); len(undecided) > 0 {
			out.Reason += "; undecided: " + list(undecided)
		}
	case lab.Inconclusive:
		out.Reason = undecided(parts)
	}
	for _, scope := range scopes(parts) {
		if !strings.Contains(out.Reason, scope) {
			out.Reason += "; " + scope
		}
	}
	if missing := with(parts, lab.NotEvaluated); len(missing) > 0 {
		out.Reason += "; not compared: " + list(missing) + " (" + strings.Join(reasons(missing), "; ") + ")"
	}
	return out
}

func unevaluated(c lab.Claim, parts []lab.Verdict) string {
	switch {
	case len(parts) > 0: // the shortest profile that tests any of it is what a reader needs
		names := lab.ProfileNames()
		return slices.MinFunc(parts, func(a, b lab.Verdict) int {
			return slices.Index(names, a.Profile) - slices.Index(names, b.Profile)
		}).Reason
	case c.Missing != "":
		return c.Missing
	}
	return "no scenario has a hypothesis about it"
}

// undecided says how many hypotheses are, why, and how many blocks would decide
// all of them where somebody knows.
func undecided(parts []lab.Verdict) string {
	open := with(parts, lab.Inconclusive)
	compared := len(parts) - len(with(parts, lab.NotEvaluated))
	text := fmt.Sprintf("%d of %s undecided", len(open), count(compared))
	needed := 0
	for _, v := range open {
		if v.BlocksNeeded == 0 {
			return text + ": " + strings.Join(reasons(open), "; ")
		}
		needed = max(needed, v.BlocksNeeded)
	}
	return fmt.Sprintf("%s; about %d blocks would do", text, needed)
}

func with(parts []lab.Verdict, f lab.Finding) (out []lab.Verdict) {
	for _, v := range parts {
		if v.Finding == f {
			out = append(out, v)
		}
	}
	return out
}

// reasons are those of verdicts, each once.
func reasons(parts []lab.Verdict) (out []string) {
	for _, v := range parts {
		if !slices.Contains(out, v.Reason) {
			out = append(out, v.Reason)
		}
	}
	return out
}

// scopes are the numbers of CPUs that hypotheses which were evaluated are limited to.
func scopes(parts []lab.Verdict) (out []string) {
	for _, v := range parts {
		if text := cores(v.Hypothesis); text != "" && v.Finding != lab.NotEvaluated {
			out = append(out, text)
		}
	}
	return out
}

func list(parts []lab.Verdict) string {
	var names []string
	for _, v := range parts {
		names = append(names, v.ID())
	}
	return strings.Join(names, ", ")
}

func count(n int) string {
	if n == 1 {
		return "1 configuration"
	}
	return fmt.Sprintf("%d configurations", n)
}
