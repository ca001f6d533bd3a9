package compare

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// width is the most characters of a line of text.
const width = 110

// symbols are marks as tables have them.
var symbols = map[Mark]string{
	Equivalent: "~", TooFewTrials: "?", Better: "better", Worse: "worse",
	Undecided: "",
}

// digits writes a number with four digits that count, or more before the point.
func digits(x float64, round func(float64) float64) string {
	if x == 0 {
		return "0"
	}
	decimals := max(0, 3-int(math.Floor(math.Log10(math.Abs(x)))))
	scale := math.Pow10(decimals)
	return strconv.FormatFloat(round(x*scale)/scale, 'f', decimals, 64)
}

// String is the mean with its interval; a bound is rounded down.
func (v Value) String() string { return v.mean() + interval(v.Low, v.High, number) }

// short has half the interval's width instead: in percent of a geometric mean, whose
// interval is as wide on each side in that.
func (l Line) short(v Value) string {
	switch {
	case v.Low == nil || v.High == nil || *v.Low == *v.High:
		return v.mean()
	case l.Scale == DifferenceScale:
		return v.mean() + " ±" + number((*v.High-*v.Low)/2)
	}
	return fmt.Sprintf("%s ±%.1f%%", v.mean(), 100*(math.Sqrt(*v.High / *v.Low)-1))
}

func (l Line) full(v Value) string { return v.String() }

func (v Value) mean() string {
	switch {
	case v.Mean == nil:
		return "-"
	case v.LowerBound:
		return ">= " + digits(*v.Mean, math.Floor)
	}
	return number(*v.Mean)
}

func number(x float64) string { return digits(x, math.Round) }

// trials is how many count, and of how many where some do not.
func (v Value) trials() string {
	if v.Trials == v.Blocks {
		return strconv.Itoa(v.Trials)
	}
	return fmt.Sprintf("%d of %d", v.Trials, v.Blocks)
}

// effect is the ratio or the difference with its interval.
func (l Line) effect() string {
	if l.Effect == nil {
		return "-"
	}
	form := ratio
	if l.Scale == DifferenceScale {
		form = signed
	}
	text := form(*l.Effect) + interval(l.Low, l.High, form)
	if l.Bound != "" {
		text = string(l.Bound) + " " + text
	}
	return text
}

// interval writes both ends, "…" for one that is open, and nothing where nothing
// is known.
func interval(low, high *float64, form func(float64) string) string {
	ends := [2]string{"…", "…"}
	for i, end := range []*float64{low, high} {
		if end != nil {
			ends[i] = form(*end)
		}
	}
	if low == nil && high == nil {
		return ""
	}
	return fmt.Sprintf(" [%s, %s]", ends[0], ends[1])
}

func ratio(x float64) string { return strconv.FormatFloat(x, 'f', 3, 64) }

func signed(x float64) string {
	if x == 0 {
		return "0"
	}
	return fmt.Sprintf("%+.3g", x)
}

// runsCell is by how many the variance between runs is known: in brackets where it is
// not the line's own.
func (b LineVariance) runsCell() string {
	switch b.Source {
	case FromLine:
		return strconv.Itoa(b.Runs)
	case FromMetric:
		return fmt.Sprintf("(%d)", b.Runs)
	case FromReferences:
		return "-"
	}
	return ""
}

// column is one column of the table.
type column struct {
	name string
	cell func(Line) string
}

// columns are those of a table, with values in one of their forms.
func columns(form func(Line, Value) string) []column {
	return []column{
		{"metric", func(l Line) string { return l.Metric }},
		{"OLD", func(l Line) string { return form(l, l.Old) }},
		{"n", func(l Line) string { return l.Old.trials() }},
		{"NEW", func(l Line) string { return form(l, l.New) }},
		{"n", func(l Line) string { return l.New.trials() }},
		{"NEW/OLD", Line.effect},
		{"runs", func(l Line) string { return l.BetweenRuns.runsCell() }},
		{"", Line.symbol},
	}
}

// head says what is compared, and on which terms.
func (c Comparison) head() []string {
	lines := []string{"OLD: " + c.Old.String(), "NEW: " + c.New.String()}
	for _, d := range c.Ignored {
		lines = append(lines, "ignored: "+d.String())
	}
	if c.ReferenceRatio != nil {
		lines = append(lines, fmt.Sprintf("reference servers: NEW/OLD %s, of which %.0f%% are allowed",
			ratio(*c.ReferenceRatio), 100*MaxReferenceDifference))
	}
	between, _ := c.varianceTerms()
	lines = append(lines, between)
	for _, n := range c.Notes {
		lines = append(lines, "note: "+n)
	}
	for _, d := range c.Doubts {
		lines = append(lines, "doubt: "+d)
	}
	return lines
}

func (s Side) String() string {
	text := s.Label
	if s.Label != s.RunID {
		text += ", run " + cmp.Or(s.RunID, "unknown")
	}
	return fmt.Sprintf("%s on host %s, %d rows", text, cmp.Or(s.HostID, "unknown"), s.Rows)
}

// unmatched lists what only one run has.
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

// Summary counts the marks: "2 worse, 1 better, 40 equivalent (~), 3 undecided".
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
		return "nothing that both have"
	}
	return strings.Join(words, ", ")
}

// legend says what the figures are.
func (c Comparison) legend() []string {
	return append([]string{
		fmt.Sprintf("OLD, NEW: geometric mean of the n trials that are valid, or a bound where one of them is, "+
			"with its interval of 95%% (±: half of it). NEW/OLD: their ratio, with "+
			"the interval that its line was judged by (Holm over the %d lines that could be judged, for differences "+
			"and for ~ apart: 2.5%% on each side together).", c.judged()),
		"A metric that is a ratio or a count, and one that is zero somewhere, is compared by difference of " +
			"arithmetic means: NEW less OLD, with its sign.",
		"runs: other runs of this host by which it is known how much the line varies between runs; in brackets " +
			"where other lines of its metric are; \"-\": it is not known.",
		fmt.Sprintf("better, worse: the interval excludes no effect, and the effect is beyond %.4g%% (of a ratio "+
			"%v, of a count %v). "+
			"~: the interval is within that. ?: fewer than six trials on a side. Blank: undecided.", 100*c.Threshold, RatioThreshold, CountThreshold),
	}, c.failuresLegend()...)
}

// Text is the comparison for a terminal: plain text, at most 110 characters wide.
func (c Comparison) Text() string {
	var b strings.Builder
	for _, line := range c.head() {
		wrap(&b, line)
	}
	columns := columns(Line.short)
	widths := c.widths(columns)
	var last Key
	for i, l := range c.Lines {
		if i == 0 || l.Key != last {
			last = l.Key
			fmt.Fprintf(&b, "\n%s\n", l.title()+l.failures(" (failed: OLD %s, NEW %s)"))
			if i == 0 {
				textLine(&b, columns, widths, func(c column) string { return c.name })
			}
		}
		textLine(&b, columns, widths, func(c column) string { return c.cell(l) })
	}
	b.WriteByte('\n')
	for _, line := range slices.Concat(c.unmatched(), []string{c.Summary()}, c.legend()) {
		wrap(&b, line)
	}
	return b.String()
}

func (l Line) title() string {
	if l.Phase == "" {
		return l.String() + " (each trial)"
	}
	return l.String()
}

// widths is that of every column.
func (c Comparison) widths(columns []column) []int {
	widths := make([]int, len(columns))
	for i, column := range columns {
		widths[i] = utf8.RuneCountInString(column.name)
		for _, l := range c.Lines {
			widths[i] = max(widths[i], utf8.RuneCountInString(column.cell(l)))
		}
	}
	return widths
}

func textLine(b *strings.Builder, columns []column, widths []int, cell func(column) string) {
	var line strings.Builder
	for i, c := range columns {
		text := cell(c)
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
		if i == 0 || i == len(columns)-1 {
			line.WriteString("  " + text + pad)
		} else {
			line.WriteString("  " + pad + text)
		}
	}
	b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}

// wrap writes a paragraph, of which lines after the first are indented.
func wrap(b *strings.Builder, text string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			b.WriteString(line + "\n")
			line = " "
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	b.WriteString(line + "\n")
}

// keyColumns are the columns that name a line where each has them all.
var keyColumns = []column{
	{"scenario", func(l Line) string { return l.Scenario }},
	{"variant", func(l Line) string { return l.Variant }},
	{"CPUs", func(l Line) string { return strconv.FormatInt(l.CPUs, 10) }},
	{"phase", func(l Line) string { return l.Phase }},
}

// Markdown is the same for a document.
func (c Comparison) Markdown() string {
	var b strings.Builder
	for _, line := range c.head() {
		b.WriteString("- " + escapeMarkdown(line) + "\n")
	}
	columns := slices.Concat(keyColumns, columns(Line.full))
	if c.fails() {
		failed := column{"failed", func(l Line) string { return l.failures("%s, %s") }}
		columns = slices.Insert(columns, len(columns)-1, failed)
	}
	b.WriteString("\n|")
	for _, column := range columns {
		b.WriteString(" " + column.name + " |")
	}
	b.WriteString("\n|" + strings.Repeat("---|", 5) + strings.Repeat("---:|", len(columns)-6) + "---|\n")
	for _, l := range c.Lines {
		b.WriteByte('|')
		for _, column := range columns {
			b.WriteString(" " + escapeMarkdown(column.cell(l)) + " |")
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	for _, line := range slices.Concat(c.unmatched(), []string{c.Summary()}, c.legend()) {
		b.WriteString(escapeMarkdown(line) + "\n\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// escapeMarkdown keeps text from being read as Markdown.
var escapeMarkdown = strings.NewReplacer(`\`, `\\`, "|", `\|`, "*", `\*`, "_", `\_`, "~", `\~`, "<", "&lt;",
	"[", `\[`, "`", "\\`").Replace
