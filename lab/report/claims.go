package report

import (
	"fmt"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/wording"
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
	if len(r.Controls) == 0 {
		return nil
	}
	p := reportPart{heading: "Controls passed"}
	if !r.ControlsPassed() {
		p.heading = "CONTROLS FAILED: every verdict is inconclusive"
	}
	for _, c := range r.Controls {
		mark := "passed"
		if !c.Passed {
			mark = "FAILED"
		}
		p.entries = append(p.entries, entry{label: c.Name, mark: mark, text: wording.Control(c)})
	}
	return []reportPart{p}
}

// claims returns the parts on claims: those that were evaluated, by collection, and then the
// others.
func (r Report) claims() []reportPart {
	if r.Untested != nil {
		return []reportPart{{heading: "No claim was tested: " + wording.Reason(*r.Untested) + "."}}
	}
	groups := r.claimGroups()
	if len(groups) == 0 {
		groups = []lab.ClaimGroup{{}}
	}
	var evaluated, notEvaluated []reportPart
	for i, g := range groups {
		verdicts := slices.DeleteFunc(slices.Clone(r.Claims),
			func(c lab.ClaimVerdict) bool { return !g.Has(c.ID) })
		entries := evaluatedEntries(verdicts)
		if len(entries) > 0 || len(groups) == 1 {
			evaluated = append(evaluated, reportPart{claimsHeading(g, verdicts), entries})
		}
		entries = append(missingEntries(verdicts), topicEntries(r.topicsOf(groups, i))...)
		if len(entries) > 0 {
			notEvaluated = append(notEvaluated, reportPart{g.Heading("Not evaluated"), entries})
		}
	}
	if len(evaluated) > 0 {
		evaluated[0].heading += ". " + r.intervalsText()
	}
	return append(evaluated, notEvaluated...)
}

// claimGroups returns all claims by collection.
func (r Report) claimGroups() []lab.ClaimGroup {
	var claims []lab.Claim
	for _, c := range r.Claims {
		claims = append(claims, c.Claim)
	}
	return lab.GroupClaims(claims)
}

// claimsHeading returns how many claims of a group are decided.
func claimsHeading(g lab.ClaimGroup, verdicts []lab.ClaimVerdict) string {
	decided := 0
	for _, c := range verdicts {
		if c.Finding == lab.Supported || c.Finding == lab.Refuted || c.Finding == lab.Depends {
			decided++
		}
	}
	return fmt.Sprintf("%s: %d of %d decided", g.Heading("Claims"), decided, len(verdicts))
}

// intervalsText returns the confidence level of the intervals, which all claims share.
func (r Report) intervalsText() string {
	tested := 0
	for _, c := range r.Claims {
		for _, v := range c.HypothesisVerdicts {
			if v.PHolm != nil {
				tested++
			}
		}
	}
	return "Intervals: 95 %, by Holm's procedure over " + message.Count(tested, "hypothesis", "hypotheses")
}

// evaluatedEntries returns the lines of the claims that were evaluated.
func evaluatedEntries(verdicts []lab.ClaimVerdict) (out []entry) {
	for _, c := range verdicts {
		if c.Finding != lab.NotEvaluated {
			out = append(out, entry{label: c.ID, mark: string(c.Finding), text: c.Statement})
			out = append(out, hypothesisEntries(c)...)
			out = append(out, promiseEntries(c)...)
		}
	}
	return out
}

// missingEntries returns the lines of the claims that were not evaluated, grouped by the reason.
func missingEntries(verdicts []lab.ClaimVerdict) (out []entry) {
	missing := groupedNames{}
	for _, c := range verdicts {
		if c.Finding == lab.NotEvaluated {
			missing.add(wording.Claim(c), c.ID)
		}
	}
	for _, g := range missing.all {
		out = append(out, entry{text: strings.Join(g.names, ", ") + ": " + g.reason})
	}
	return out
}

// topicsOf returns the topics that no load can test and that belong to the i-th group. A topic of a
// collection without claims belongs to the last one.
func (r Report) topicsOf(groups []lab.ClaimGroup, i int) (topics []lab.UntestableTopic) {
	for _, t := range r.Topics {
		owner := slices.IndexFunc(groups, func(g lab.ClaimGroup) bool { return g.Collection == t.Collection })
		if owner < 0 {
			owner = len(groups) - 1
		}
		if owner == i {
			topics = append(topics, t)
		}
	}
	return topics
}

// topicEntries returns the line of the topics that no load can test, if there are any.
func topicEntries(topics []lab.UntestableTopic) []entry {
	if len(topics) == 0 {
		return nil
	}
	texts := make([]string, len(topics))
	for i, u := range topics {
		texts[i] = u.Topic + " (" + u.Reason + ")"
	}
	return []entry{{text: "no load can test: " + strings.Join(texts, "; ")}}
}

// sides says what a hypothesis or a promise does for its claim.
var sides = map[lab.Finding]string{
	lab.Supported:    "supports: ",
	lab.Refuted:      "refutes: ",
	lab.Inconclusive: "undecided: ",
}

// hypothesisEntries returns the lines of a claim's hypotheses, with the side that each supports if
// they differ.
func hypothesisEntries(c lab.ClaimVerdict) (out []entry) {
	missing := groupedNames{}
	for _, f := range []lab.Finding{lab.Supported, lab.Refuted, lab.Inconclusive} {
		for _, v := range c.HypothesisVerdicts {
			side := sides[f]
			if f == c.Finding && f != lab.Inconclusive {
				side = ""
			}
			if v.Finding == f {
				out = append(out, entry{nested: true, text: side + Sentence(v)})
			}
		}
	}
	for _, v := range c.HypothesisVerdicts {
		if v.Finding == lab.NotEvaluated {
			missing.add(wording.Reasons(v.Reasons...), v.ID())
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

// promiseEntries returns the lines of a claim's promises, with the side that each phase supports.
func promiseEntries(c lab.ClaimVerdict) (out []entry) {
	for _, v := range c.PromiseVerdicts {
		for i, text := range PromiseSentences(v) {
			if i > 0 {
				text = sides[v.Judged[i-1].Finding] + text
			}
			out = append(out, entry{nested: true, text: text})
		}
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
