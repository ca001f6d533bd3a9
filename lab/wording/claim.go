package wording

import (
	"fmt"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/message"
)

// tested is a hypothesis, or a promise in one phase, with its finding.
type tested struct {
	id, profile  string
	finding      lab.Finding
	reasons      []lab.Reason
	blocksNeeded int
}

// testedBy returns what tests a claim.
func testedBy(c lab.ClaimVerdict) (parts []tested) {
	for _, v := range c.HypothesisVerdicts {
		parts = append(parts, tested{v.ID(), v.Profile, v.Finding, v.Reasons, v.BlocksNeeded})
	}
	for _, v := range c.PromiseVerdicts {
		if len(v.Judged) == 0 {
			parts = append(parts, tested{v.ID(), v.Profile, v.Finding, v.Reasons, 0})
		}
		for _, j := range v.Judged {
			one := v.Promise
			one.Phases, one.HighestKeptBy = []string{j.Phase}, ""
			parts = append(parts, tested{one.ID(), v.Profile, j.Finding, j.Reasons, 0})
		}
	}
	return parts
}

// Claim returns why a claim has its finding.
func Claim(c lab.ClaimVerdict) string {
	parts := testedBy(c)
	var text string
	switch c.Finding {
	case lab.NotEvaluated:
		return notEvaluated(c, parts)
	case lab.Supported, lab.Refuted:
		text = configurations(len(withFinding(parts, c.Finding))) + " " + verb(c)
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
		text += "; not " + verb(c) + ": " + joinIDs(missing) + " (" + strings.Join(distinctReasons(missing),
			"; ") + ")"
	}
	for _, v := range c.PromiseVerdicts {
		if len(v.Phases) > 1 && len(v.Judged) > 0 && v.KeptUpTo != "" {
			text += fmt.Sprintf("; %s %s", v.Variant, PromiseBrief(v))
		}
	}
	return text
}

// verb returns what was done with the configurations of a claim.
func verb(c lab.ClaimVerdict) string {
	if len(c.PromiseVerdicts) == 0 {
		return "compared"
	}
	return "tested"
}

// notEvaluated returns why nothing that tests a claim was evaluated.
func notEvaluated(c lab.ClaimVerdict, parts []tested) string {
	switch {
	case len(parts) > 0: // name the shortest profile that tests any of it
		names := lab.ProfileNames()
		shortest := slices.MinFunc(parts, func(a, b tested) int {
			return slices.Index(names, a.profile) - slices.Index(names, b.profile)
		})
		return Reasons(shortest.reasons...)
	case c.Lacks != "":
		return c.Lacks
	}
	return "no scenario has a hypothesis about it"
}

// undecided returns how many parts are undecided and why, or how many blocks would decide all
// of them if that is known.
func undecided(parts []tested) string {
	open := withFinding(parts, lab.Inconclusive)
	compared := len(parts) - len(withFinding(parts, lab.NotEvaluated))
	text := fmt.Sprintf("%d of %s undecided", len(open), configurations(compared))
	needed := 0
	for _, v := range open {
		if v.blocksNeeded == 0 {
			return text + ": " + strings.Join(distinctReasons(open), "; ")
		}
		needed = max(needed, v.blocksNeeded)
	}
	return fmt.Sprintf("%s; about %d blocks would decide", text, needed)
}

// withFinding returns the parts with a finding.
func withFinding(parts []tested, f lab.Finding) (out []tested) {
	for _, v := range parts {
		if v.finding == f {
			out = append(out, v)
		}
	}
	return out
}

// distinctReasons returns the reasons of parts as text, each once.
func distinctReasons(parts []tested) (out []string) {
	for _, v := range parts {
		if text := Reasons(v.reasons...); !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// cpuScopes returns the CPU counts that evaluated hypotheses are limited to.
func cpuScopes(parts []tested) (out []string) {
	for _, v := range parts {
		for _, r := range v.reasons {
			if r.Kind == lab.CPUScope {
				out = append(out, Reason(r))
			}
		}
	}
	return out
}

func joinIDs(parts []tested) string {
	var names []string
	for _, v := range parts {
		names = append(names, v.id)
	}
	return strings.Join(names, ", ")
}

func configurations(n int) string { return message.Count(n, "configuration", "configurations") }
