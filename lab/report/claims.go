package report

import (
	"fmt"
	"slices"
	"strings"

	"runtimelab/lab"
)

// part is a stretch of the report before the figures: a heading and what is under
// it.
type part struct {
	heading string
	entries []entry
}

// entry is one thing said: a claim, or, deeper, what was seen of one of its
// hypotheses.
type entry struct {
	deeper bool
	label  string // "speed-1"; may be empty
	mark   string // "supported"; may be empty
	text   string
}

func (r Report) controls() []part {
	if len(r.Judged.Controls) == 0 {
		return nil
	}
	p := part{heading: "Controls passed"}
	if !r.Judged.Passed() {
		p.heading = "CONTROLS FAILED: every verdict is inconclusive"
	}
	for _, c := range r.Judged.Controls {
		mark := "passed"
		if !c.Passed {
			mark = "FAILED"
		}
		p.entries = append(p.entries, entry{label: c.Name, mark: mark, text: c.Reason})
	}
	return []part{p}
}

// claims are those that were evaluated, then those that were not, by reason, and
// what no load can test.
func (r Report) claims() []part {
	if r.untested != "" {
		return []part{{heading: "No claim was tested: " + r.untested}}
	}
	evaluated, rest := part{heading: r.head()}, part{heading: "Not evaluated"}
	missing := groups{}
	for _, c := range r.Judged.Claims {
		if c.Finding == lab.NotEvaluated {
			missing.add(c.Reason, c.Claim.ID)
			continue
		}
		evaluated.entries = append(evaluated.entries, entry{label: c.Claim.ID, mark: string(c.Finding), text: c.Claim.Says})
		evaluated.entries = append(evaluated.entries, seen(c)...)
	}
	for _, g := range missing.all {
		rest.entries = append(rest.entries, entry{text: strings.Join(g.names, ", ") + ": " + g.reason})
	}
	var kinds []string
	for _, u := range lab.Untestables() {
		kinds = append(kinds, u.Kind+" ("+u.Why+")")
	}
	rest.entries = append(rest.entries, entry{text: "no load can test: " + strings.Join(kinds, "; ")})
	return []part{evaluated, rest}
}

// head says how many claims are decided, and how sure all that follows is.
func (r Report) head() string {
	decided, tested := 0, 0
	for _, c := range r.Judged.Claims {
		if c.Finding == lab.Supported || c.Finding == lab.Refuted || c.Finding == lab.Depends {
			decided++
		}
		for _, v := range c.Parts {
			if v.PHolm != nil {
				tested++
			}
		}
	}
	return fmt.Sprintf("Claims: %d of %d decided. Intervals: 95 %%, by Holm's procedure over %s",
		decided, len(r.Judged.Claims), plural(tested, "hypothesis", "hypotheses"))
}

// seen is what there is to say of a claim's hypotheses. Where they differ each
// says on which side it is.
func seen(c lab.ClaimVerdict) (out []entry) {
	sides := map[lab.Finding]string{lab.Supported: "supports: ", lab.Refuted: "refutes: ", lab.Inconclusive: "undecided: "}
	missing := groups{}
	for _, f := range []lab.Finding{lab.Supported, lab.Refuted, lab.Inconclusive} {
		for _, v := range c.Parts {
			side := sides[f]
			if f == c.Finding && f != lab.Inconclusive {
				side = ""
			}
			if v.Finding == f {
				out = append(out, entry{deeper: true, text: side + sentence(v)})
			}
		}
	}
	for _, v := range c.Parts {
		if v.Finding == lab.NotEvaluated {
			missing.add(v.Reason, v.ID())
		}
	}
	var left []string
	for _, g := range missing.all {
		left = append(left, fmt.Sprintf("%d more (%s)", len(g.names), g.reason))
	}
	if len(left) > 0 {
		out = append(out, entry{deeper: true, text: "not compared: " + strings.Join(left, ", ")})
	}
	return out
}

// groups are names by what they share, in the order in which that came up.
type groups struct{ all []group }

type group struct {
	reason string
	names  []string
}

func (g *groups) add(reason, name string) {
	i := slices.IndexFunc(g.all, func(had group) bool { return had.reason == reason })
	if i < 0 {
		i = len(g.all)
		g.all = append(g.all, group{reason: reason})
	}
	g.all[i].names = append(g.all[i].names, name)
}
