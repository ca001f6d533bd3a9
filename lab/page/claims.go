package page

import (
	"fmt"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/chart"
	"runtimelab/lab/message"
	"runtimelab/lab/report"
	"runtimelab/lab/verdict"
	"runtimelab/lab/wording"
)

// claimView is one claim that was evaluated.
type claimView struct {
	lab.ClaimVerdict
	Word       string
	Mark       string // a character of the shape that the finding has in the charts
	Class      string
	Result     string // what was measured, in a few words
	Strip      chart.Chart
	HasStrip   bool // promises have no ratio
	Hypotheses []hypothesisView
	Promises   []promiseView
	Missing    []missingView // hypotheses that were not compared
}

// promiseView is one promise that was judged, in all of its phases.
type promiseView struct {
	Sentence string
	Phases   []hypothesisView // without a chart
}

// hypothesisView is one hypothesis that was evaluated.
type hypothesisView struct {
	Word, Mark, Class string
	Sentence          string
	Doubts            []string
	Blocks            chart.Chart
}

// findingMarks are the shapes of findings, as package chart draws them.
var findingMarks = map[lab.Finding]string{
	lab.Supported: "■", lab.Refuted: "◆", lab.Depends: "◐", lab.Inconclusive: "○", lab.NotEvaluated: "–",
}

// findingClasses are the CSS classes of findings.
var findingClasses = map[lab.Finding]string{
	lab.Supported: "good", lab.Refuted: "bad", lab.Depends: "mixed", lab.Inconclusive: "unsure",
	lab.NotEvaluated: "unsure",
}

// evaluated returns the verdicts of a claim's hypotheses that were evaluated.
func evaluated(c lab.ClaimVerdict) (out []lab.Verdict) {
	for _, v := range c.HypothesisVerdicts {
		if v.Finding != lab.NotEvaluated {
			out = append(out, v)
		}
	}
	return out
}

// claimViews returns the claims that were evaluated, on one scale.
func claimViews(r report.Report, scale chart.RatioScale) (views []claimView) {
	for i, c := range r.Claims {
		if c.Finding == lab.NotEvaluated || r.Untested != nil {
			continue
		}
		view := claimView{
			ClaimVerdict: c, Word: findingWords[c.Finding], Mark: findingMarks[c.Finding],
			Class: findingClasses[c.Finding], Result: report.Result(c),
		}
		if c.Finding == lab.Depends {
			view.Word = "depends"
		}
		var rows []chart.ForestRow
		for n, v := range evaluated(c) {
			row := forestRow(c, v)
			rows = append(rows, row)
			h := hypothesisView{
				Word: findingWords[v.Finding], Mark: findingMarks[v.Finding], Class: findingClasses[v.Finding],
				Sentence: report.Sentence(v),
				Blocks:   chart.Blocks(fmt.Sprintf("claim-%d-%d", i+1, n+1), row.Tooltip, row, scale),
			}
			for _, d := range v.Doubts {
				h.Doubts = append(h.Doubts, wording.Reason(d))
			}
			view.Hypotheses = append(view.Hypotheses, h)
		}
		for _, v := range c.HypothesisVerdicts {
			if v.Finding == lab.NotEvaluated {
				view.Missing = addMissing(view.Missing, wording.Reasons(v.Reasons...), v.ID())
			}
		}
		view.addPromises(c)
		if view.HasStrip = len(rows) > 0; view.HasStrip {
			view.Strip = chart.Strip(fmt.Sprintf("claim-%d", i+1), stripTitle(c, rows), rows, scale)
		}
		views = append(views, view)
	}
	return views
}

// addPromises adds the promises of a claim: those that were judged, and why others were not.
func (view *claimView) addPromises(c lab.ClaimVerdict) {
	for _, v := range c.PromiseVerdicts {
		sentences := report.PromiseSentences(v)
		if len(v.Judged) == 0 {
			view.Missing = addMissing(view.Missing, wording.Reasons(v.Reasons...), v.ID())
			continue
		}
		promise := promiseView{Sentence: sentences[0]}
		for i, j := range v.Judged {
			promise.Phases = append(promise.Phases, hypothesisView{
				Word: findingWords[j.Finding], Mark: findingMarks[j.Finding], Class: findingClasses[j.Finding],
				Sentence: sentences[i+1],
			})
		}
		view.Promises = append(view.Promises, promise)
	}
}

// stripTitle describes a strip for those who do not see it.
func stripTitle(c lab.ClaimVerdict, rows []chart.ForestRow) string {
	figures := make([]string, len(rows))
	for i, r := range rows {
		figures[i] = r.Figure
	}
	return fmt.Sprintf("%s, %s: %s", c.ID, message.Count(len(rows), "ratio", "ratios"),
		strings.Join(figures, "; "))
}

// forestRows returns the comparisons of all claims.
func forestRows(r report.Report) (rows []chart.ForestRow) {
	if r.Untested != nil {
		return nil
	}
	for _, c := range r.Claims {
		for _, v := range evaluated(c) {
			rows = append(rows, forestRow(c, v))
		}
	}
	return rows
}

// forestRow returns a hypothesis as a line of a forest plot. A verdict that was not reached has the
// ring of an undecided one.
func forestRow(c lab.ClaimVerdict, v lab.Verdict) chart.ForestRow {
	from, to := verdict.MarginRatios(v.Hypothesis)
	group := c.ID + ": " + findingWords[c.Finding]
	if c.Statement != "" {
		group += ". " + c.Statement
	}
	row := chart.ForestRow{
		Group: group, Label: armsText(v.Hypothesis),
		Ratio: v.Ratio, Interval: chart.Interval{Low: v.Low, High: v.High}, Figure: "no ratio",
		MarginLow: from, MarginHigh: to,
	}
	switch v.Finding {
	case lab.Supported:
		row.Finding = chart.Supported
	case lab.Refuted:
		row.Finding = chart.Refuted
	}
	if v.Ratio != nil {
		row.Figure = report.RatioWithInterval(v)
	}
	for _, b := range v.BlockRatios {
		if b.Bound == "" {
			row.Blocks = append(row.Blocks, b.Ratio)
		}
	}
	row.Tooltip = fmt.Sprintf("%s: %s, %s", row.Label, row.Figure, findingWords[v.Finding])
	return row
}

// armsText returns what a hypothesis compares, in few words.
func armsText(h lab.Hypothesis) string {
	return fmt.Sprintf("%s: %s of %s over %s", h.Scenario, h.Metric, h.Numerator, h.Denominator)
}

// missingView is a reason, and the claims or hypotheses that were not evaluated for it.
type missingView struct {
	Reason string
	IDs    []string
}

// addMissing adds an id to the view of its reason.
func addMissing(views []missingView, reason, id string) []missingView {
	i := slices.IndexFunc(views, func(v missingView) bool { return v.Reason == reason })
	if i < 0 {
		i = len(views)
		views = append(views, missingView{Reason: reason})
	}
	views[i].IDs = append(views[i].IDs, id)
	return views
}

// missingViews returns the claims that were not evaluated, by reason.
func missingViews(r report.Report) (views []missingView) {
	for _, c := range r.Claims {
		if c.Finding == lab.NotEvaluated {
			views = addMissing(views, wording.Claim(c), c.ID)
		}
	}
	return views
}
