package report

import (
	"fmt"
	"slices"
	"strings"

	"runtimelab/lab"
)

// reportPart is a stretch of the report before the figures: a heading and what is under
// it.
type reportPart struct {
	heading string
	entries []entry
}

// entry is one thing said: a claim, or, deeper, what was seen of one of its
// hypotheses.
type entry struct {
	nested bool
	label  string // "speed-1"; may be empty
	mark   string // "supported"; may be empty
	text   string
}

func (r Report) controls() []reportPart {
	if len(r.Verdicts.Controls) == 0 {
		return nil
	}
	p := reportPart{heading: "Controls passed"}
	if !r.Verdicts.ControlsPassed() {
		p.heading = "CONTROLS FAILED: every verdict is inconclusive"
	}
	for _, c := range r.Verdicts.Controls {
		mark := "passed"
		if !c.Passed {
			mark = "FAILED"
		}
		p.entries = append(p.entries, entry{label: c.Name, mark: mark, text: c.Reason})
	}
	return []reportPart{p}
}

// claims are those that were evaluated, then those that were not, by reason, and
// what no load can test.
func (r Report) claims() []reportPart {
	if r.untestedReason != "" {
		return []reportPart{{heading: "No claim was tested: " + r.untestedReason}}
	}
	evaluated, rest := reportPart{heading: r.claimsHeading()}, reportPart{heading: "Not evaluated"}
	missing := groupedNames{}
	for _, c := range r.Verdicts.Claims {
		if c.Finding == lab.NotEvaluated {
			missing.add(c.Reason, c.Claim.ID)
			continue
		}
		evaluated.entries = append(evaluated.entries,
			entry{label: c.Claim.ID, mark: string(c.Finding), text: c.Claim.Statement})
		evaluated.entries = append(evaluated.entries, hypothesisEntries(c)...)
	}
	for _, g := range missing.all {
		rest.entries = append(rest.entries, entry{text: strings.Join(g.names, ", ") + ": " + g.reason})
	}
	var kinds []string
	for _, u := range lab.UntestableTopics() {
		kinds = append(kinds, u.Kind+" ("+u.Reason+")")
	}
	rest.entries = append(rest.entries, entry{text: "no load can test: " + strings.Join(kinds, "; ")})
	return []reportPart{evaluated, rest}
}

// claimsHeading says how many claims are decided, and how sure all that follows is.
func (r Report) claimsHeading() string {
	decided, tested := 0, 0
	for _, c := range r.Verdicts.Claims {
		if c.Finding == lab.Supported || c.Finding == lab.Refuted || c.Finding == lab.Depends {
			decided++
		}
		for _, v := range c.HypothesisVerdicts {
			if v.PHolm != nil {
				tested++
			}
		}
	}
	return fmt.Sprintf("Claims: %d of %d decided. Intervals: 95 %%, by Holm's procedure over %s",
		decided, len(r.Verdicts.Claims), plural(tested, "hypothesis", "hypotheses"))
}

// hypothesisEntries is what there is to say of a claim's hypotheses. Where they differ each
// says on which side it is.
func hypothesisEntries(c lab.ClaimVerdict) (out []entry) {
	sides := map[lab.Finding]string{
		lab.Supported: "supports: ", lab.Refuted: "refutes: ",
		lab.Inconclusive: "undecided: ",
	}
	missing := groupedNames{}
	for _, f := range []lab.Finding{lab.Supported, lab.Refuted, lab.Inconclusive} {
		for _, v := range c.HypothesisVerdicts {
			side := sides[f]
			if f == c.Finding && f != lab.Inconclusive {
				side = ""
			}
			if v.Finding == f {
				out = append(out, entry{nested: true, text: side + sentence(v)})
			}
		}
	}
	for _, v := range c.HypothesisVerdicts {
		if v.Finding == lab.NotEvaluated {
			missing.add(v.Reason, v.ID())
		}
	}
	var left []string
	for _, g := range missing.all {
		left = append(left, fmt.Sprintf("%d more (%s)", len(g.names), g.reason))
	}
	if len(left) > 0 {
		out = append(out, entry{nested: true, text: "not compared: " + strings.Join(left, ", ")})
	}
	return out
}

// groupedNames are names by what they share, in the order in which that came up.
type groupedNames struct{ all []group }

type group struct {
	reason string
	names  []string
}

func (g *groupedNames) add(reason, name string) {
	i := slices.IndexFunc(g.all, func(had group) bool { return had.reason == reason })
	if i < 0 {
		i = len(g.all)
		g.all = append(g.all, group{reason: reason})
	}
	g.all[i].names = append(g.all[i].names, name)
}
