package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/chart"
	"runtimelab/lab/report"
)

// timelines returns a chart of the seconds of each phase, a line for each attack. A closed loop shows
// its answers; an open loop, whose rate is given, its latency.
func (p palette) timelines(r report.Report) (charts []chart.Chart) {
	measured := map[cellKey]bool{} // not the warm-ups, whose results are discarded
	for _, a := range r.Attempts {
		for _, phase := range a.Phases {
			measured[keyOf(a.TrialID, phase.Phase)] = true
		}
	}
	grouped(r.Timeline, func(t report.Timeline) (cellKey, bool) {
		k := keyOf(t.TrialID, t.Phase)
		return k, measured[k] && !isControl(t.Variant) && len(t.Seconds) > 0
	}, func(k cellKey, all []report.Timeline) {
		sortByVariant(all, func(t report.Timeline) string { return t.Variant })
		what, value := "answers/s", answers
		if all[0].Mode == "open" {
			what, value = openLoopFigure(all)
		}
		var lines []chart.Line
		for _, t := range all {
			l := chart.Line{Series: p.series(t.Variant), Tooltip: fmt.Sprintf("%s, block %d", t.Variant, t.Block)}
			for _, s := range fullSeconds(t.Seconds) {
				if y, ok := value(s); ok {
					l.Points = append(l.Points, chart.XY{X: float64(s.Second), Y: y})
				}
			}
			if len(l.Points) > 0 {
				lines = append(lines, l)
			}
		}
		if len(lines) > 0 {
			charts = append(charts, chart.Timeline(k.fileName("time"), k.String(), what, lines))
		}
	})
	return charts
}

func answers(s report.Second) (float64, bool) { return float64(s.Succeeded), true }

// openLoopFigure returns the highest percentile that most seconds have, or else the answers.
func openLoopFigure(all []report.Timeline) (what string, value func(report.Second) (float64, bool)) {
	seconds, withP99, withP50 := 0, 0, 0
	for _, t := range all {
		for _, s := range t.Seconds {
			seconds++
			if s.P99MS != nil {
				withP99++
			}
			if s.P50MS != nil {
				withP50++
			}
		}
	}
	figure := func(of func(report.Second) *float64) func(report.Second) (float64, bool) {
		return func(s report.Second) (float64, bool) {
			if x := of(s); x != nil {
				return *x, true
			}
			return 0, false
		}
	}
	switch {
	case 2*withP99 > seconds:
		return "p99 of each second, ms", figure(func(s report.Second) *float64 { return s.P99MS })
	case 2*withP50 > seconds:
		return "p50 of each second, ms", figure(func(s report.Second) *float64 { return s.P50MS })
	}
	return "answers/s", answers
}

// fullSeconds leaves out the last second of an attack, which is not a whole one.
func fullSeconds(seconds []report.Second) []report.Second {
	return seconds[:max(1, len(seconds)-1)]
}

// maxStripRows is the number of cells in one strip, so that no chart is taller than a sheet of paper.
const maxStripRows = 60

// validityStrips returns every attempt at a trial as a mark, controls included.
func validityStrips(r report.Report) (charts []chart.Chart) {
	type cell struct {
		scenario, variant string
		cores             int
	}
	var rows []chart.ValidityRow
	index := map[cell]int{}
	for _, a := range r.Attempts {
		c := cell{a.Scenario, a.Variant, a.Cores}
		i, known := index[c]
		if !known {
			i = len(rows)
			label := a.Scenario + " " + a.Variant
			if a.Cores > 1 {
				label += fmt.Sprintf(" (%d CPUs)", a.Cores)
			}
			index[c], rows = i, append(rows, chart.ValidityRow{Label: label})
		}
		rows[i].Trials = append(rows[i].Trials, chart.ValidityMark{
			Block: a.Block, Validity: validityOf(a.Validity), Tooltip: attemptTooltip(a),
		})
	}
	slices.SortStableFunc(rows, func(a, b chart.ValidityRow) int { return cmp.Compare(a.Label, b.Label) })
	for first := 0; first < len(rows); first += maxStripRows {
		part := rows[first:min(len(rows), first+maxStripRows)]
		title := "Every trial, block by block"
		if len(rows) > maxStripRows {
			title += fmt.Sprintf(" (%d of %d)", first/maxStripRows+1, (len(rows)+maxStripRows-1)/maxStripRows)
		}
		charts = append(charts, chart.ValidityStrip(fmt.Sprintf("validity-%d", first/maxStripRows+1), title, part))
	}
	return charts
}

func validityOf(v lab.Validity) chart.Validity {
	switch v {
	case lab.Valid:
		return chart.Valid
	case lab.Censored:
		return chart.Censored
	case lab.Disturbed:
		return chart.Disturbed
	}
	return chart.Failed
}

// maxTooltip bounds the text of a tooltip; trials.csv has the whole reason.
const maxTooltip = 160

// attemptTooltip says what a trial is worth, and why.
func attemptTooltip(a report.Attempt) string {
	text := fmt.Sprintf("block %d: %s", a.Block, a.Validity)
	if a.Attempt > 1 {
		text = fmt.Sprintf("block %d, attempt %d: %s", a.Block, a.Attempt, a.Validity)
	}
	for _, p := range a.Phases {
		if p.Validity == a.Validity && p.Reason != "" {
			text += ": " + strings.TrimSpace(p.Phase+" "+p.Reason)
			break
		}
	}
	if runes := []rune(text); len(runes) > maxTooltip {
		text = string(runes[:maxTooltip-1]) + "…"
	}
	return text
}
