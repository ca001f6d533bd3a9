package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"runtimelab/lab/message"
	"runtimelab/lab/table"
)

const (
	width         = 100 // of the terminal table, in characters
	maxNotes      = 12
	maxNoteLength = 240 // characters; trials.csv has the whole text
	noValue       = "-"
)

// column is one column of the table, in text and in Markdown.
type column struct {
	top, bottom string // the two lines of the heading; bottom has the unit
	cell        func(Line) string
}

var columns = []column{
	{"", "variant", func(l Line) string { return l.Variant }},
	{"valid", "trials", func(l Line) string { return fmt.Sprintf("%d/%d", l.Valid, l.Trials) }},
	{"served", "req/s", func(l Line) string { return l.Served.Ranged() }},
	{"vs", "first", func(l Line) string { return ratio(l.RatioToFirst) }},
	{"p50", "ms", func(l Line) string { return l.P50MS.String() }},
	{"p99", "ms", func(l Line) string { return l.P99MS.String() }},
	{"CPU", "µs/req", func(l Line) string { return l.CPUUS.String() }},
	{"memory", "MiB", func(l Line) string { return l.MemoryMiB.String() }},
	{"cold start", "ms", func(l Line) string { return l.ColdStartMS.String() }},
}

// String returns the median in three digits, ">= X" for a bound, or "-" if there is no trial.
func (f *Figure) String() string {
	switch {
	case f == nil || f.N == 0:
		return noValue
	case f.Bound:
		return ">= " + digits(f.Median, roundBoundDown)
	}
	return digits(f.Median, math.Round)
}

// Ranged returns the figure with its range. A bound has none, because its upper end is unknown.
func (f *Figure) Ranged() string {
	if f == nil || f.N < 2 || f.Bound {
		return f.String()
	}
	return fmt.Sprintf("%s [%s–%s]", f, digits(f.Lowest, math.Round), digits(f.Highest, math.Round))
}

// FormatDigits formats a figure with the digits that the table uses.
func FormatDigits(x float64) string { return digits(x, math.Round) }

// roundBoundDown rounds a lower bound and roundBoundUp an upper one, so that a printed bound is
// always true.
func roundBoundDown(x float64) float64 { return math.Floor(x * (1 + roundingError)) }
func roundBoundUp(x float64) float64   { return math.Ceil(x * (1 - roundingError)) }

// roundingError is the relative error of arithmetic that rounding ignores: 1.9999999999 is 2.
const roundingError = 1e-9

// digits formats x: whole numbers from 100 on, below that three digits and at most three decimals.
func digits(x float64, round func(float64) float64) string {
	decimals := 0
	for limit := 100.0; x < limit && decimals < 3; limit /= 10 {
		decimals++
	}
	scale := math.Pow10(decimals)
	return strconv.FormatFloat(round(x*scale)/scale, 'f', decimals, 64)
}

func ratio(x *float64) string {
	if x == nil {
		return noValue
	}
	return strconv.FormatFloat(*x, 'f', 2, 64) + "x"
}

// Title returns the section's scenario and load.
func (s Section) Title() string {
	var loads []string
	switch {
	case s.ArrivingClients && s.Connections == 1:
		loads = append(loads, "one client at a time, p50 and p99 from the actual send"+s.ladderName())
	case s.ArrivingClients:
		loads = append(loads,
			fmt.Sprintf("%d clients at once, p50 and p99 from the actual send", s.Connections)+s.ladderName())
	case s.ClosedPhase != "":
		loads = append(loads, s.ClosedPhase+" over "+message.Count(int(s.Connections), "connection", "connections"))
	}
	switch {
	case s.Search:
		loads = append(loads,
			fmt.Sprintf("highest offered rate that kept the SLO (%s), p50 and p99 at that rate", s.OpenPhase))
	case len(s.RatesRPS) == 0:
	case s.DeadlineMS > 0 && s.ClosedPhase == "":
		loads = append(loads,
			fmt.Sprintf("goodput within %s ms, at %s", strconv.FormatFloat(s.DeadlineMS, 'f', -1, 64), s.rates()))
	default:
		loads = append(loads, "p50 and p99 at "+s.rates())
	}
	name := s.Scenario
	if s.CPUs > 0 {
		name += " on " + cpuCount(int(s.CPUs))
	}
	if len(loads) == 0 {
		return name
	}
	return name + ": " + strings.Join(loads, ", ")
}

// ladderName returns a ladder's name in brackets if it says more than the kind: several ladders may
// have the same number of connections.
func (s Section) ladderName() string {
	if !strings.Contains(s.ClosedPhase, "-") {
		return ""
	}
	return " (" + s.ClosedPhase + ")"
}

// rates returns the open loop's rate, or the range of rates over the variants.
func (s Section) rates() string {
	text := strconv.FormatFloat(slices.Min(s.RatesRPS), 'f', -1, 64)
	if len(s.RatesRPS) > 1 {
		text += " to " + strconv.FormatFloat(slices.Max(s.RatesRPS), 'f', -1, 64)
	}
	text += " req/s"
	if strings.Contains(s.OpenPhase, "-") {
		text += " (" + s.OpenPhase + ")"
	}
	return text
}

// Legend returns the paragraphs that explain the figures.
func (r Report) Legend() []string {
	out := []string{
		"valid trials: those in which every phase is valid or a bound; each repetition counts as a trial. " +
			"Figures use valid phases; a repeated trial counts once, by its last valid attempt. \"-\": no figure.",
		"served: requests per second of the closed loop (goodput, or the highest offered rate, where the " +
			"heading says so), median of trials [lowest–highest]; \">= X\" is a bound and is not compared. " +
			"vs first: median over blocks of the ratio to the first variant.",
		"p50, p99: open loop, from the intended send time. CPU: the server's, per successful request at that " +
			"rate (of the closed loop if there is no rate). memory: the highest since the start.",
	}
	out = append(out, r.failuresLegend()...)
	return append(out, r.fewBlocks()...)
}

// shownNotes returns the first invalid phases, shortened, and how many more there are.
func (r Report) shownNotes() []string {
	var out []string
	invalid := r.InvalidPhases()
	for _, n := range invalid[:min(len(invalid), maxNotes)] {
		out = append(out, table.Shorten(n, maxNoteLength))
	}
	if more := len(invalid) - len(out); more > 0 {
		out = append(out, fmt.Sprintf("and %d more: see validity_reason in trials.csv", more))
	}
	return out
}

func (r Report) empty() bool { return r.Trials == 0 }

// table returns the figures as plain text, at most 100 characters wide.
func (r Report) table() string {
	if len(r.Figures) == 0 {
		return "The run has no figures except those of its controls.\n"
	}
	columns := r.tableColumns()
	t := table.Text{Indent: "  ", MaxWidth: width, Columns: alignment(columns)}
	t.Row(cells(columns, func(c column) string { return c.top })...)
	t.Row(cells(columns, func(c column) string { return c.bottom })...)
	for _, section := range r.Figures {
		t.Line("")
		t.Line(table.Shorten(table.OneLine(section.Title()), width))
		for _, l := range section.Lines {
			t.Row(cells(columns, func(c column) string { return c.cell(l) })...)
		}
	}
	return t.String()
}

// alignment returns the alignment of columns: the first on the left, the others, which are numbers,
// on the right.
func alignment(columns []column) []table.Column {
	out := make([]table.Column, len(columns))
	for i := range out {
		out[i].Right = i > 0
	}
	return out
}

// cells returns one cell for each column.
func cells(columns []column, cell func(column) string) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = cell(c)
	}
	return out
}

// wrap returns a paragraph; lines after the first are indented two more.
func wrap(indent, text string) string { return table.Wrap(width, indent, indent+"  ", text) }
