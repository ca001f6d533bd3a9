package page

import (
	"fmt"
	"slices"

	"runtimelab/lab/chart"
	"runtimelab/lab/report"
)

// costs returns CPU time against memory of each scenario, and the cold starts of all.
func (p palette) costs(r report.Report) (charts []chart.Chart) {
	for i, s := range r.Figures {
		var rows []chart.CostRow
		for _, l := range s.Lines {
			if row := p.costRow(l); len(row.Trials) > 0 {
				rows = append(rows, row)
			}
		}
		if len(rows) > 0 {
			charts = append(charts,
				chart.Cost(fmt.Sprintf("cost-%d-%s", i+1, fileName(s.Scenario)), cellName(s)+phaseName(s), rows))
		}
	}
	if rows := p.coldStarts(r); len(rows) > 0 {
		charts = append(charts,
			chart.Dots("cold-start", "Cold start: container start to the first correct answer", "ms", rows))
	}
	return charts
}

// costRow returns the trials of a variant that have both figures.
func (p palette) costRow(l report.Line) chart.CostRow {
	row := chart.CostRow{Series: p.series(l.Variant)}
	if l.CPUUS == nil || l.MemoryMiB == nil {
		return row
	}
	memory := map[int]float64{}
	for _, t := range l.MemoryMiB.Trials {
		memory[t.Block] = t.Value
	}
	for _, t := range l.CPUUS.Trials {
		if mib, ok := memory[t.Block]; ok && t.Value > 0 {
			row.Trials = append(row.Trials, chart.CostPoint{
				CPUMicroseconds: t.Value, MemoryMiB: mib,
				Tooltip: fmt.Sprintf("%s, block %d: %s µs, %s MiB", l.Variant, t.Block, report.FormatDigits(t.Value),
					report.FormatDigits(mib)),
			})
		}
	}
	return row
}

// coldStarts returns the cold starts of each variant. The sections of a scenario repeat those of its
// trials, so the first of them counts.
func (p palette) coldStarts(r report.Report) (rows []chart.DotRow) {
	byVariant := map[string]*report.Figure{}
	var variants []string
	type cell struct {
		variant, scenario string
		cpus              int64
	}
	seen := map[cell]bool{}
	for _, s := range r.Figures {
		for _, l := range s.Lines {
			c := cell{l.Variant, s.Scenario, s.CPUs}
			if l.ColdStartMS == nil || seen[c] {
				continue
			}
			seen[c] = true
			if byVariant[l.Variant] == nil {
				byVariant[l.Variant] = &report.Figure{}
				variants = append(variants, l.Variant)
			}
			f := byVariant[l.Variant]
			f.Trials = append(f.Trials, l.ColdStartMS.Trials...)
			f.N = len(f.Trials)
		}
	}
	slices.Sort(variants)
	for _, v := range variants {
		row := p.dotRow(v, byVariant[v])
		row.Median = nil // figures of several scenarios have no common one
		rows = append(rows, row)
	}
	return rows
}
