package verdict

import (
	"slices"

	"runtimelab/lab"
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
	return lab.ClaimVerdict{Claim: c, Finding: CombineFindings(findings...), HypothesisVerdicts: parts}
}
