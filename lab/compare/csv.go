package compare

import (
	"bytes"
	"encoding/csv"
	"strconv"
	"strings"

	"runtimelab/lab/record"
)

// csvColumn is one column of the CSV form. Numbers have full precision; a missing one is
// empty.
type csvColumn struct {
	name string
	cell func(Comparison, Line) string
}

var csvColumns = []csvColumn{
	{"old", func(c Comparison, _ Line) string { return c.Old.Label }},
	{"new", func(c Comparison, _ Line) string { return c.New.Label }},
	{"scenario", func(_ Comparison, l Line) string { return l.Scenario }},
	{"variant", func(_ Comparison, l Line) string { return l.Variant }},
	{"server_cpus", func(_ Comparison, l Line) string { return strconv.FormatInt(l.CPUs, 10) }},
	{"phase", func(_ Comparison, l Line) string { return l.Phase }},
	{"metric", func(_ Comparison, l Line) string { return l.Metric }},
	{"unit", func(_ Comparison, l Line) string { return l.Unit }},
	{"better", func(_ Comparison, l Line) string { return string(l.Better) }},
	{"old_trials", func(_ Comparison, l Line) string { return strconv.Itoa(l.Old.Trials) }},
	{"old_blocks", func(_ Comparison, l Line) string { return strconv.Itoa(l.Old.Blocks) }},
	{"old_mean", func(_ Comparison, l Line) string { return formatExact(l.Old.Mean) }},
	{"old_low", func(_ Comparison, l Line) string { return formatExact(l.Old.Low) }},
	{"old_high", func(_ Comparison, l Line) string { return formatExact(l.Old.High) }},
	{"old_bound", func(_ Comparison, l Line) string { return strconv.FormatBool(l.Old.LowerBound) }},
	{"new_trials", func(_ Comparison, l Line) string { return strconv.Itoa(l.New.Trials) }},
	{"new_blocks", func(_ Comparison, l Line) string { return strconv.Itoa(l.New.Blocks) }},
	{"new_mean", func(_ Comparison, l Line) string { return formatExact(l.New.Mean) }},
	{"new_low", func(_ Comparison, l Line) string { return formatExact(l.New.Low) }},
	{"new_high", func(_ Comparison, l Line) string { return formatExact(l.New.High) }},
	{"new_bound", func(_ Comparison, l Line) string { return strconv.FormatBool(l.New.LowerBound) }},
	{"old_failed", func(_ Comparison, l Line) string { return formatExact(&l.Old.Failed) }},
	{"new_failed", func(_ Comparison, l Line) string { return formatExact(&l.New.Failed) }},
	{"by", func(_ Comparison, l Line) string { return string(l.Scale) }},
	{"effect", func(_ Comparison, l Line) string { return formatExact(l.Effect) }},
	{"low", func(_ Comparison, l Line) string { return formatExact(l.Low) }},
	{"high", func(_ Comparison, l Line) string { return formatExact(l.High) }},
	{"bound", func(_ Comparison, l Line) string { return string(l.Bound) }},
	{"between_variance", func(_ Comparison, l Line) string { return formatExact(&l.BetweenRuns.Variance) }},
	{"between_runs", func(_ Comparison, l Line) string { return strconv.Itoa(l.BetweenRuns.Runs) }},
	{"between_of", func(_ Comparison, l Line) string { return string(l.BetweenRuns.Source) }},
	{"p_holm", func(_ Comparison, l Line) string { return formatExact(l.PHolm) }},
	{"mark", func(_ Comparison, l Line) string { return string(l.Mark) }},
	{"ignored", func(c Comparison, _ Line) string { return c.ignored() }},
}

func formatExact(x *float64) string {
	if x == nil {
		return ""
	}
	return strconv.FormatFloat(*x, 'g', 9, 64)
}

// ignored joins the ignored differences into one text.
func (c Comparison) ignored() string {
	var all []string
	for _, d := range c.Ignored {
		all = append(all, d.String())
	}
	return strings.Join(all, "; ")
}

// CSV returns the lines of all comparisons as CSV. Of the facts about a whole comparison it
// has the ignored differences only.
func CSV(comparisons []Comparison) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	cells := make([]string, len(csvColumns))
	for i, c := range csvColumns {
		cells[i] = c.name
	}
	_ = w.Write(cells) // writing to a buffer cannot fail
	for _, c := range comparisons {
		for _, l := range c.Lines {
			for i, column := range csvColumns {
				cells[i] = record.EscapeFormula(column.cell(c, l))
			}
			_ = w.Write(cells)
		}
	}
	w.Flush()
	return b.Bytes()
}
