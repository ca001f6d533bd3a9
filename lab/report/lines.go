package report

import (
	"maps"
	"math"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/stat"
)

// Line holds one variant's figures in a section. They come from rows that count.
type Line struct {
	Variant string
	Valid   int // trials in which every phase of the section is valid or a bound
	Trials  int

	// Served is the closed loop's throughput in requests per second; without a closed loop, the
	// highest rate that kept the SLO, or the goodput. It is a bound if a row is censored.
	Served Figure

	RatioToFirst float64  // median over blocks of Served / the first line's; NaN if either is a bound
	P50MS, P99MS Figure   // the open loop's, from the intended send time; else a ladder's, from the actual one
	CPUUS        Figure   // CPU time per request, of the open loop, or else of the closed one
	MemoryMiB    Figure   // highest of each trial
	ColdStartMS  Figure   // one of each trial
	Failed       *float64 // failed share of the requests in the worst row that counts; nil if no row counts
}

// Figure is the median and range of N trials.
type Figure struct {
	N                       int
	Median, Lowest, Highest float64
	Bound                   bool // the true value is Median or more
}

// lines returns a line for each variant, sorted by its name.
func lines(rows []metric.Row) []Line {
	var out []Line
	var first map[int64]float64
	for variant, variantRows := range sorted(byVariant(rows)) {
		l := line(variant, variantRows)
		blocks := servedByBlock(variantRows)
		if first == nil {
			first = blocks
		}
		l.RatioToFirst = math.NaN()
		if !l.Served.Bound && len(out) > 0 && !out[0].Served.Bound {
			l.RatioToFirst = pairedRatio(blocks, first)
		}
		out = append(out, l)
	}
	return out
}

// line returns a variant's figures. RatioToFirst is left to lines.
func line(variant string, rows []metric.Row) Line {
	l := Line{Variant: variant}
	l.Valid, l.Trials = countTrials(rows)
	l.Failed = worstFailed(rows)
	closed := filterRows(rows, isClosed)
	open := filterRows(rows, func(r metric.Row) bool { return isOpen(r) || isSearch(r) })
	served, name := headline(rows)
	l.Served = newFigure(values(served, name))
	l.Served.Bound = slices.ContainsFunc(metric.UsableRows(served),
		func(r metric.Row) bool { return validity(r) == lab.Censored })
	l.P50MS = newFigure(values(open, "latency_p50_ms"))
	l.P99MS = newFigure(values(open, "latency_p99_ms"))
	if len(open) == 0 {
		ladder := filterRows(closed, func(r metric.Row) bool { return traits(r).Pacing == lab.ArrivingClients })
		l.P50MS = newFigure(values(ladder, "latency_raw_p50_ms"))
		l.P99MS = newFigure(values(ladder, "latency_raw_p99_ms"))
		open = closed
	}
	l.CPUUS = newFigure(values(open, "cpu_us_per_request"))
	l.MemoryMiB = newFigure(onePerTrial(rows, "memory_peak_mib",
		func(earlier, x float64) float64 { return max(earlier, x) }))
	l.ColdStartMS = newFigure(onePerTrial(rows, "cold_start_ms", func(_, x float64) float64 { return x }))
	return l
}

// onePerTrial returns one value of each trial, for columns that repeat the trial's value in each
// phase. combine is applied to the values of a trial's rows.
func onePerTrial(rows []metric.Row, name string, combine func(earlier, x float64) float64) []float64 {
	byTrial := map[lab.TrialID]float64{}
	for _, r := range metric.UsableRows(rows) {
		x, ok := r.Float(name)
		if !ok {
			continue
		}
		id := r.TrialID()
		id.Attempt = 0 // the phases that count may come from several attempts
		if earlier, ok := byTrial[id]; ok {
			x = combine(earlier, x)
		}
		byTrial[id] = x
	}
	return slices.Collect(maps.Values(byTrial))
}

// headline returns the rows and the column that a section ranks by: the closed loop's throughput,
// else the highest rate of a search, else the open loop's goodput.
func headline(rows []metric.Row) (ranked []metric.Row, column string) {
	if closed := filterRows(rows, isClosed); len(closed) > 0 {
		return closed, "throughput_rps"
	}
	if searches := filterRows(rows, isSearch); len(searches) > 0 {
		return searches, "capacity_rps"
	}
	return filterRows(rows, isOpen), "goodput_rps"
}

// values returns a column of the rows that count, with bounds.
func values(rows []metric.Row, name string) []float64 {
	m, _ := metric.Find(name)
	var xs []float64
	for _, r := range metric.UsableRows(rows) {
		if f, _, ok := r.Figure(m); ok {
			xs = append(xs, f)
		}
	}
	return xs
}

// newFigure returns the median and range of xs. If some of them are lower bounds, the median is a
// lower bound too.
func newFigure(xs []float64) Figure {
	lowest, highest := stat.Range(xs)
	return Figure{N: len(xs), Median: stat.Median(xs), Lowest: lowest, Highest: highest}
}

// servedByBlock returns the values of the headline's column by block, without bounds.
func servedByBlock(rows []metric.Row) map[int64]float64 {
	served := map[int64]float64{}
	ranked, name := headline(rows)
	m, _ := metric.Find(name)
	for _, r := range metric.UsableRows(ranked) {
		block, _ := r.Int("block")
		if f, bound, ok := r.Figure(m); ok && bound == metric.Exact {
			served[block] = f
		}
	}
	return served
}

// pairedRatio returns the median of a/b over the blocks that have both. What slows a whole block
// cancels.
func pairedRatio(a, b map[int64]float64) float64 {
	var ratios []float64
	for block, x := range a {
		if y, ok := b[block]; ok && y > 0 {
			ratios = append(ratios, x/y)
		}
	}
	return stat.Median(ratios)
}

func byVariant(rows []metric.Row) map[string][]metric.Row {
	out := map[string][]metric.Row{}
	for _, r := range rows {
		out[r.Text("variant")] = append(out[r.Text("variant")], r)
	}
	return out
}

// sorted iterates over a map in the order of its keys.
func sorted[V any](m map[string]V) func(func(string, V) bool) {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return func(yield func(string, V) bool) {
		for _, k := range keys {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}
