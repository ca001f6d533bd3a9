package verdict

import (
	"fmt"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/message"
)

// CombineFindings returns the finding on a claim from those on its hypotheses. Hypotheses that were
// not evaluated do not count.
//
//	supported  refuted  inconclusive  ->
//	-          -        -             not evaluated
//	yes        yes      any           depends
//	not both            yes           inconclusive
//	yes        -        -             supported
//	-          yes      -             refuted
func CombineFindings(parts ...lab.Finding) lab.Finding {
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

// claimsOf returns the claims of a plan. Those that only a hypothesis names, because the plan did
// not record its claims, come last and have only an id.
func claimsOf(p lab.Plan) []lab.Claim {
	claims := slices.Clone(p.Claims)
	for _, h := range slices.Concat(p.Hypotheses, p.UntestedHypotheses) {
		if !slices.ContainsFunc(claims, func(c lab.Claim) bool { return c.ID == h.Claim }) {
			claims = append(claims, lab.Claim{ID: h.Claim})
		}
	}
	return claims
}

// judgeClaim returns the verdict on a claim from the verdicts on its hypotheses.
func judgeClaim(c lab.Claim, parts []lab.Verdict) lab.ClaimVerdict {
	var findings []lab.Finding
	for _, v := range parts {
		findings = append(findings, v.Finding)
	}
	out := lab.ClaimVerdict{Claim: c, Finding: CombineFindings(findings...), HypothesisVerdicts: parts}
	switch out.Finding {
	case lab.NotEvaluated:
		out.Reason = notEvaluatedReason(c, parts)
		return out
	case lab.Supported, lab.Refuted:
		out.Reason = configurations(len(withFinding(parts, out.Finding))) + " compared"
	case lab.Depends:
		out.Reason = fmt.Sprintf("supported by %s; refuted by %s", joinIDs(withFinding(parts, lab.Supported)),
			joinIDs(withFinding(parts, lab.Refuted)))
		if undecided := withFinding(parts, lab.Inconclusive); len(undecided) > 0 {
			out.Reason += "; undecided: " + joinIDs(undecided)
		}
	case lab.Inconclusive:
		out.Reason = undecidedReason(parts)
	}
	for _, scope := range cpuScopes(parts) {
		if !strings.Contains(out.Reason, scope) {
			out.Reason += "; " + scope
		}
	}
	if missing := withFinding(parts, lab.NotEvaluated); len(missing) > 0 {
		out.Reason += "; not compared: " + joinIDs(missing) + " (" + strings.Join(reasons(missing), "; ") + ")"
	}
	return out
}

// notEvaluatedReason returns why no hypothesis of a claim was evaluated.
func notEvaluatedReason(c lab.Claim, parts []lab.Verdict) string {
	switch {
	case len(parts) > 0: // name the shortest profile that tests any of it
		names := lab.ProfileNames()
		return slices.MinFunc(parts, func(a, b lab.Verdict) int {
			return slices.Index(names, a.Profile) - slices.Index(names, b.Profile)
		}).Reason
	case c.Lacks != "":
		return c.Lacks
	}
	return "no scenario has a hypothesis about it"
}

// undecidedReason returns how many hypotheses are undecided and why, or how many blocks would
// decide all of them if that is known.
func undecidedReason(parts []lab.Verdict) string {
	open := withFinding(parts, lab.Inconclusive)
	compared := len(parts) - len(withFinding(parts, lab.NotEvaluated))
	text := fmt.Sprintf("%d of %s undecided", len(open), configurations(compared))
	needed := 0
	for _, v := range open {
		if v.BlocksNeeded == 0 {
			return text + ": " + strings.Join(reasons(open), "; ")
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

// reasons returns the distinct reasons of verdicts.
func reasons(parts []lab.Verdict) (out []string) {
	for _, v := range parts {
		if !slices.Contains(out, v.Reason) {
			out = append(out, v.Reason)
		}
	}
	return out
}

// cpuScopes returns the CPU counts that the evaluated hypotheses are limited to, as text.
func cpuScopes(parts []lab.Verdict) (out []string) {
	for _, v := range parts {
		if text := cpuScope(v.Hypothesis); text != "" && v.Finding != lab.NotEvaluated {
			out = append(out, text)
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
