package report

import (
	"fmt"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/message"
)

// reportPart is a heading and its entries, above the figures.
type reportPart struct {
	heading string
	entries []entry
}

// entry is one line of the report: a claim or control, or, nested, one of a claim's hypotheses.
type entry struct {
	nested bool
	label  string // "speed-1"; may be empty
	mark   string // "supported"; may be empty
	text   string
}

// controls returns the part on the run's controls, or nil if there were none.
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

// claims returns the parts on claims: those that were evaluated, then the others, grouped by the
// reason why they were not, and the topics that no load can test.
func (r Report) claims() []reportPart {
	if r.untestedReason != "" {
		return []reportPart{{heading: "No claim was tested: " + r.untestedReason}}
	}
	evaluated := reportPart{heading: r.claimsHeading()}
	notEvaluated := reportPart{heading: "Not evaluated"}
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
		notEvaluated.entries = append(notEvaluated.entries,
			entry{text: strings.Join(g.names, ", ") + ": " + g.reason})
	}
	var topics []string
	for _, u := range r.Verdicts.UntestableTopics {
		topics = append(topics, u.Topic+" ("+u.Reason+")")
	}
	if len(topics) > 0 {
		notEvaluated.entries = append(notEvaluated.entries,
			entry{text: "no load can test: " + strings.Join(topics, "; ")})
	}
	if len(notEvaluated.entries) == 0 {
		return []reportPart{evaluated}
	}
	return []reportPart{evaluated, notEvaluated}
}

// claimsHeading returns how many claims are decided, and the confidence level of their intervals.
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
		decided, len(r.Verdicts.Claims), message.Count(tested, "hypothesis", "hypotheses"))
}

// hypothesisEntries returns the lines of a claim's hypotheses, with the side that each supports if
// they differ.
func hypothesisEntries(c lab.ClaimVerdict) (out []entry) {
	sides := map[lab.Finding]string{
		lab.Supported:    "supports: ",
		lab.Refuted:      "refutes: ",
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
	var notCompared []string
	for _, g := range missing.all {
		notCompared = append(notCompared, fmt.Sprintf("%d more (%s)", len(g.names), g.reason))
	}
	if len(notCompared) > 0 {
		out = append(out, entry{nested: true, text: "not compared: " + strings.Join(notCompared, ", ")})
	}
	return out
}

// groupedNames groups names by reason, in the order of each reason's first name.
type groupedNames struct{ all []group }

type group struct {
	reason string
	names  []string
}

func (g *groupedNames) add(reason, name string) {
	i := slices.IndexFunc(g.all, func(known group) bool { return known.reason == reason })
	if i < 0 {
		i = len(g.all)
		g.all = append(g.all, group{reason: reason})
	}
	g.all[i].names = append(g.all[i].names, name)
}
