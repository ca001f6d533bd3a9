package page

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/chart"
	"runtimelab/lab/compare"
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
	"runtimelab/lab/report"
	"runtimelab/lab/wording"
)

// comparisonView is what the template shows of one comparison.
type comparisonView struct {
	ID       string // of its part of the page
	Old, New compare.Side
	Top      topView
	Found    string
	Axis     chart.Chart
	Lines    []lineView
	Equal    []lineView // lines that are equivalent, which the page folds
	Doubts   []string
	Notes    []string
	Missing  []string
	Legend   []string
}

// lineView is one line of a comparison.
type lineView struct {
	Key, What, Metric string
	Old, New, Effect  string
	Trials            string
	Word, Mark, Class string
	Strip             chart.Chart
	HasStrip          bool
}

// markViews are the words, shapes and classes of the results of lines, the most important first.
var markViews = []struct {
	mark              compare.Mark
	word, shape, tone string
	finding           chart.Finding
}{
	{compare.Worse, "worse", "◆", "bad", chart.Refuted},
	{compare.Better, "better", "■", "good", chart.Supported},
	{compare.Undecided, "undecided", "○", "unsure", chart.Undecided},
	{compare.TooFewTrials, "too few trials", "○", "unsure", chart.Undecided},
	{compare.Equivalent, "equivalent", "●", "unsure", chart.Equal},
}

func markRank(m compare.Mark) int {
	for i, v := range markViews {
		if v.mark == m {
			return i
		}
	}
	return len(markViews)
}

// Comparisons returns the page of comparisons of one old run with others.
func Comparisons(comparisons []compare.Comparison) ([]byte, error) {
	var views []comparisonView
	for i, c := range comparisons {
		views = append(views, newComparisonView(fmt.Sprintf("comparison-%d", i+1), c))
	}
	var b bytes.Buffer
	if err := comparisonTemplate.Execute(&b, views); err != nil {
		return nil, fmt.Errorf("rendering the page of a comparison: %w", err)
	}
	return finish(b.String()), nil
}

func newComparisonView(id string, c compare.Comparison) comparisonView {
	v := comparisonView{
		ID: id, Old: c.Old, New: c.New, Found: foundText(c), Doubts: reasonTexts(c.Doubts),
		Notes: reasonTexts(c.Notes), Legend: c.Legend(),
	}
	lines := sortedLines(c.Lines)
	rows := make([]chart.ForestRow, len(lines))
	var shown []chart.ForestRow
	for i, l := range lines {
		rows[i] = lineRow(l, c.Threshold)
		if rows[i].Ratio != nil {
			shown = append(shown, rows[i])
		}
	}
	scale := chart.NewRatioScale(shown)
	v.Axis = chart.RatioAxis(id+"-axis", "axis of NEW/OLD, logarithmic", scale)
	views := make([]lineView, len(lines))
	for i, l := range lines {
		views[i] = newLineView(fmt.Sprintf("%s-%d", id, i+1), l, rows[i], scale)
		if l.Mark == compare.Equivalent {
			v.Equal = append(v.Equal, views[i])
		} else {
			v.Lines = append(v.Lines, views[i])
		}
	}
	v.Top = newTopView(c, lines, views)
	for _, k := range c.OnlyOld {
		v.Missing = append(v.Missing, "only in OLD: "+k.String())
	}
	for _, k := range c.OnlyNew {
		v.Missing = append(v.Missing, "only in NEW: "+k.String())
	}
	return v
}

// reasonTexts returns reasons as text.
func reasonTexts(reasons []lab.Reason) (texts []string) {
	for _, r := range reasons {
		texts = append(texts, wording.Reason(r))
	}
	return texts
}

// foundText returns how many lines have which result.
func foundText(c compare.Comparison) string {
	var parts []string
	for _, v := range markViews {
		if n := c.Count(v.mark); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v.word))
		}
	}
	if len(parts) == 0 {
		return "no line is in both runs."
	}
	return message.Count(len(c.Lines), "line was", "lines were") + " compared: " + strings.Join(parts,
		", ") + "."
}

// sortedLines returns lines with those first that matter most: worse ones, the largest effect first. Of
// about equal effects, that on what was served comes first: a server that is slower also takes more CPU
// for a request.
func sortedLines(all []compare.Line) []compare.Line {
	const equal = 0.05 // logarithms of ratios that round to the same multiple
	lines := slices.Clone(all)
	rounded := func(l compare.Line) float64 { return math.Round(effectSize(l) / equal) }
	servedFirst := func(l compare.Line) int {
		if m, _ := metric.Find(l.Metric); m.IsThroughput() {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(lines, func(a, b compare.Line) int {
		return cmp.Or(cmp.Compare(markRank(a.Mark), markRank(b.Mark)), cmp.Compare(rounded(b), rounded(a)),
			cmp.Compare(servedFirst(a), servedFirst(b)), cmp.Compare(effectSize(b), effectSize(a)))
	})
	return lines
}

// effectSize returns how far a line is from no effect. Differences, which have no common scale with
// ratios, come before them.
func effectSize(l compare.Line) float64 {
	switch {
	case l.Effect == nil:
		return 0
	case l.Scale == compare.DifferenceScale:
		return math.Inf(1)
	}
	return math.Abs(math.Log(*l.Effect))
}

// lineRow returns a line as a row of a forest plot; without a ratio for lines compared by difference.
func lineRow(l compare.Line, threshold float64) chart.ForestRow {
	row := chart.ForestRow{
		Label: l.String() + " " + l.Metric, Figure: "no ratio", MarginLow: 1 - threshold,
		MarginHigh: 1 / (1 - threshold),
	}
	if i := markRank(l.Mark); i < len(markViews) {
		row.Finding = markViews[i].finding
	}
	if l.Scale == compare.RatioScale && l.Effect != nil && *l.Effect > 0 {
		row.Ratio, row.Interval = l.Effect, chart.Interval{Low: l.Low, High: l.High}
		row.Figure = effectText(l)
	}
	row.Tooltip = row.Label + ": " + row.Figure
	return row
}

func newLineView(id string, l compare.Line, row chart.ForestRow, scale chart.RatioScale) lineView {
	v := lineView{
		Key: l.String(), What: changeOf(l.Metric).what, Metric: l.Metric,
		Old: valueText(l.Old), New: valueText(l.New),
		Effect: effectText(l), Trials: trialsText(l), Word: string(l.Mark),
	}
	if i := markRank(l.Mark); i < len(markViews) {
		v.Word, v.Mark, v.Class = markViews[i].word, markViews[i].shape, markViews[i].tone
	}
	if row.Ratio != nil {
		v.Strip, v.HasStrip = chart.Strip(id, row.Tooltip, []chart.ForestRow{row}, scale), true
	}
	return v
}

// effectText returns the effect of a line with its interval.
func effectText(l compare.Line) string {
	if l.Effect == nil {
		return "no figure"
	}
	format := func(x *float64) string {
		switch {
		case x == nil:
			return "open"
		case l.Scale == compare.DifferenceScale:
			return fmt.Sprintf("%+.3g", *x)
		case *l.Effect >= 10:
			return fmt.Sprintf("%.0f", *x)
		}
		return fmt.Sprintf("%.2f", *x)
	}
	text := format(l.Effect)
	if l.Scale == compare.RatioScale {
		text += "×"
	}
	if l.Low != nil || l.High != nil {
		text += fmt.Sprintf(" [%s, %s]", format(l.Low), format(l.High))
	}
	return text
}

// valueText returns one side of a line. The metric's name has its unit.
func valueText(v compare.Value) string {
	if v.Mean == nil {
		return "no value"
	}
	text := report.FormatDigits(*v.Mean)
	if v.LowerBound {
		text = "≥ " + text
	}
	return text
}

// trialsText returns how many trials a line compares.
func trialsText(l compare.Line) string {
	if l.Old.Trials == l.New.Trials {
		return message.Count(l.New.Trials, "trial", "trials") + " each"
	}
	return fmt.Sprintf("%d and %s", l.Old.Trials, message.Count(l.New.Trials, "trial", "trials"))
}
