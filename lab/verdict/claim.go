package verdict

import (
	"slices"

	"runtimelab/lab"
)

// CombineFindings returns the finding on a claim from those on its hypotheses and on its promises,
// of which each phase has one. What was not evaluated does not count.
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

// claimsOf returns the claims of a plan. Those that only a hypothesis or a promise names, because the
// plan did not record its claims, come last and have only an id.
func claimsOf(p lab.Plan) []lab.Claim {
	claims := slices.Clone(p.Claims)
	tests := slices.Concat(
		lab.Tests(p.Hypotheses, p.Promises), lab.Tests(p.UntestedHypotheses, p.UntestedPromises))
	for _, id := range lab.ClaimsOf(tests) {
		if !slices.ContainsFunc(claims, func(c lab.Claim) bool { return c.ID == id }) {
			claims = append(claims, lab.Claim{ID: id})
		}
	}
	return claims
}

// judgeClaim returns the verdict on a claim from those of the verdicts that are about it.
func judgeClaim(c lab.Claim, hypotheses []lab.Verdict, promises []lab.PromiseVerdict) lab.ClaimVerdict {
	out := lab.ClaimVerdict{Claim: c}
	var findings []lab.Finding
	for _, v := range hypotheses {
		if v.Claim == c.ID {
			out.HypothesisVerdicts = append(out.HypothesisVerdicts, v)
			findings = append(findings, v.Finding)
		}
	}
	for _, v := range promises {
		if v.Claim == c.ID {
			out.PromiseVerdicts = append(out.PromiseVerdicts, v)
			findings = append(findings, v.Findings()...)
		}
	}
	out.Finding = CombineFindings(findings...)
	return out
}
