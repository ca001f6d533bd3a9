package compare

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"runtimelab/lab/message"
	"runtimelab/lab/table"
	"runtimelab/lab/wording"
)

// maxWidth is the number of characters that a line of text may have.
const maxWidth = 110

// symbols are the marks as tables show them.
var symbols = map[Mark]string{
	Equivalent: "~", TooFewTrials: "?", Better: "better", Worse: "worse", Undecided: "",
}

// formatRounded writes a number with four significant digits, or all digits of a larger
// integer part.
func formatRounded(x float64, round func(float64) float64) string {
	if x == 0 {
		return "0"
	}
	decimals := max(0, 3-int(math.Floor(math.Log10(math.Abs(x)))))
	scale := math.Pow10(decimals)
	return strconv.FormatFloat(round(x*scale)/scale, 'f', decimals, 64)
}

// String returns the mean with its interval. A lower bound is rounded down.
func (v Value) String() string { return v.mean() + formatInterval(v.Low, v.High, formatNumber) }

// withHalfWidth returns the mean with half the width of its interval: in percent for a
// geometric mean, whose interval is symmetric on a log scale.
func (l Line) withHalfWidth(v Value) string {
	switch {
	case v.Low == nil || v.High == nil || *v.Low == *v.High:
		return v.mean()
	case l.Scale == DifferenceScale:
		return v.mean() + " ±" + formatNumber((*v.High-*v.Low)/2)
	}
	return fmt.Sprintf("%s ±%.1f%%", v.mean(), 100*(math.Sqrt(*v.High / *v.Low)-1))
}

func (l Line) withInterval(v Value) string { return v.String() }

func (v Value) mean() string {
	switch {
	case v.Mean == nil:
		return "-"
	case v.LowerBound:
		return ">= " + formatRounded(*v.Mean, math.Floor)
	}
	return formatNumber(*v.Mean)
}

func formatNumber(x float64) string { return formatRounded(x, math.Round) }

// trials returns the number of usable trials, and of measured ones if there are more.
func (v Value) trials() string {
	if v.Trials == v.Blocks {
		return strconv.Itoa(v.Trials)
	}
	return fmt.Sprintf("%d of %d", v.Trials, v.Blocks)
}

// effect returns the ratio or the difference with its interval.
func (l Line) effect() string {
	if l.Effect == nil {
		return "-"
	}
	format := formatRatio
	if l.Scale == DifferenceScale {
		format = formatSigned
	}
	text := format(*l.Effect) + formatInterval(l.Low, l.High, format)
	if l.Bound != "" {
		text = string(l.Bound) + " " + text
	}
	return text
}

// formatInterval writes both ends, "…" for an open one, and nothing if both are nil.
func formatInterval(low, high *float64, format func(float64) string) string {
	ends := [2]string{"…", "…"}
	for i, end := range []*float64{low, high} {
		if end != nil {
			ends[i] = format(*end)
		}
	}
	if low == nil && high == nil {
		return ""
	}
	return fmt.Sprintf(" [%s, %s]", ends[0], ends[1])
}

func formatRatio(x float64) string { return strconv.FormatFloat(x, 'f', 3, 64) }

func formatSigned(x float64) string {
	if x == 0 {
		return "0"
	}
	return fmt.Sprintf("%+.3g", x)
}

// runsCell returns the number of runs that the variance between runs comes from, in brackets
// if they are those of other lines.
func (v LineVariance) runsCell() string {
	switch v.Source {
	case FromLine:
		return strconv.Itoa(v.Runs)
	case FromMetric:
		return fmt.Sprintf("(%d)", v.Runs)
	case FromReferences:
		return "-"
	}
	return ""
}

// column is one column of the table.
type column struct {
	name  string
	right bool
	cell  func(Line) string
}

// Sides to which a column is aligned.
const left, right = false, true

// names returns the names of columns, which are the table's heading.
func names(columns []column) (all []string) {
	for _, c := range columns {
		all = append(all, c.name)
	}
	return all
}

// cells returns the cells of a line.
func cells(columns []column, l Line) (all []string) {
	for _, c := range columns {
		all = append(all, c.cell(l))
	}
	return all
}

// alignment returns how columns are aligned.
func alignment(columns []column) (all []table.Column) {
	for _, c := range columns {
		all = append(all, table.Column{Right: c.right})
	}
	return all
}

// tableColumns returns the columns of a table, with values in the given format.
func tableColumns(format func(Line, Value) string) []column {
	return []column{
		{"metric", left, func(l Line) string { return l.Metric }},
		{"OLD", right, func(l Line) string { return format(l, l.Old) }},
		{"n", right, func(l Line) string { return l.Old.trials() }},
		{"NEW", right, func(l Line) string { return format(l, l.New) }},
		{"n", right, func(l Line) string { return l.New.trials() }},
		{"NEW/OLD", right, Line.effect},
		{"runs", right, func(l Line) string { return l.BetweenRuns.runsCell() }},
		{"", left, Line.symbol},
	}
}

// head returns what is compared: both runs, ignored differences, notes and doubts.
func (c Comparison) head() []string {
	lines := []string{"OLD: " + c.Old.String(), "NEW: " + c.New.String()}
	for _, d := range c.Ignored {
		lines = append(lines, "ignored: "+d.String())
	}
	if c.ReferenceRatio != nil {
		lines = append(lines, fmt.Sprintf("reference servers: NEW/OLD %s (a difference of %.0f%% is allowed)",
			formatRatio(*c.ReferenceRatio), 100*MaxReferenceDifference))
	}
	lines = append(lines, c.varianceText())
	for _, n := range c.Notes {
		lines = append(lines, "note: "+wording.Reason(n))
	}
	for _, d := range c.Doubts {
		lines = append(lines, "doubt: "+wording.Reason(d))
	}
	return lines
}

func (s Side) String() string {
	text := s.Label
	if s.Label != s.RunID {
		text += ", run " + cmp.Or(s.RunID, "unknown")
	}
	return fmt.Sprintf("%s on host %s, %s", text, cmp.Or(s.HostID, "unknown"),
		message.Count(s.Rows, "row", "rows"))
}

// unmatched returns the lines that list what only one run has.
func (c Comparison) unmatched() (lines []string) {
	for _, side := range []struct {
		name string
		keys []Key
	}{{"OLD", c.OnlyOld}, {"NEW", c.OnlyNew}} {
		if len(side.keys) == 0 {
			continue
		}
		var names []string
		for _, k := range side.keys {
			names = append(names, k.String())
		}
		lines = append(lines, fmt.Sprintf("only in %s: %s", side.name, strings.Join(names, "; ")))
	}
	return lines
}

// Summary returns the count of each mark: "2 worse, 1 better, 40 equivalent (~), 3 undecided".
func (c Comparison) Summary() string {
	var words []string
	for _, m := range []Mark{Worse, Better, Equivalent, Undecided, TooFewTrials} {
		n := c.Count(m)
		if n == 0 {
			continue
		}
		text := fmt.Sprintf("%d %s", n, m)
		if symbol := symbols[m]; symbol != "" && symbol != string(m) {
			text += " (" + symbol + ")"
		}
		words = append(words, text)
	}
	if len(words) == 0 {
		return "no line is in both runs"
	}
	return strings.Join(words, ", ")
}

// Legend explains the figures.
func (c Comparison) Legend() []string {
	return append([]string{
		fmt.Sprintf("OLD, NEW: geometric mean of the n usable trials with its 95%% interval (±: half of it); "+
			"\">=\" marks a lower bound. NEW/OLD: their ratio with the interval that decided the line "+
			"(Holm over the %s that could be judged, separately for differences and for ~, "+
			"at 2.5%% on each side for all lines together).", message.Count(c.judged(), "line", "lines")),
		"Ratios, counts and lines with a zero are compared by the difference of arithmetic means instead: " +
			"NEW - OLD, with its sign.",
		fmt.Sprintf("runs: other runs of this host that show how much the line varies between runs; in brackets "+
			"those of other lines of its metric; \"-\": fewer than %d.", MinRuns),
		fmt.Sprintf("better, worse: the interval excludes no effect, and the effect is beyond %.4g%% "+
			"(ratios: %v, counts: %v). ~: the interval lies within that. "+
			"?: fewer than six trials on a side. Blank: undecided.", 100*c.Threshold, RatioThreshold, CountThreshold),
	}, c.failuresLegend()...)
}

// Text returns the comparison for a terminal: plain text, at most 110 characters wide.
func (c Comparison) Text() string {
	var b strings.Builder
	for _, line := range c.head() {
		b.WriteString(wrap(line))
	}
	columns := tableColumns(Line.withHalfWidth)
	t := table.Text{Indent: "  ", Columns: alignment(columns)}
	var last Key
	for i, l := range c.Lines {
		if i == 0 || l.Key != last {
			last = l.Key
			t.Line("")
			t.Line(table.OneLine(l.title() + l.failures(" (failed: OLD %s, NEW %s)")))
			if i == 0 {
				t.Row(names(columns)...)
			}
		}
		t.Row(cells(columns, l)...)
	}
	b.WriteString(t.String() + "\n")
	for _, line := range slices.Concat(c.unmatched(), []string{c.Summary()}, c.Legend()) {
		b.WriteString(wrap(line))
	}
	return b.String()
}

// wrap returns a paragraph. Lines after the first are indented.
func wrap(text string) string { return table.Wrap(maxWidth, "", "  ", text) + "\n" }

func (l Line) title() string {
	if l.Phase == "" {
		return l.String() + " (each trial)"
	}
	return l.String()
}

// keyColumns name a line in Markdown, where every row has the whole key.
var keyColumns = []column{
	{"scenario", left, func(l Line) string { return l.Scenario }},
	{"variant", left, func(l Line) string { return l.Variant }},
	{"CPUs", left, func(l Line) string { return strconv.FormatInt(l.CPUs, 10) }},
	{"phase", left, func(l Line) string { return l.Phase }},
}

// Markdown returns the comparison for a document or a review.
func (c Comparison) Markdown() string {
	var b strings.Builder
	for _, line := range c.head() {
		b.WriteString("- " + table.EscapeMarkdown(line) + "\n")
	}
	columns := slices.Concat(keyColumns, tableColumns(Line.withInterval))
	if c.hasFailures() {
		failed := column{"failed", right, func(l Line) string { return l.failures("%s, %s") }}
		columns = slices.Insert(columns, len(columns)-1, failed)
	}
	rows := make([][]string, len(c.Lines))
	for i, l := range c.Lines {
		rows[i] = cells(columns, l)
	}
	b.WriteString("\n" + table.Markdown(alignment(columns), names(columns), rows, table.EscapeMarkdown) + "\n")
	for _, line := range slices.Concat(c.unmatched(), []string{c.Summary()}, c.Legend()) {
		b.WriteString(table.EscapeMarkdown(line) + "\n\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}
