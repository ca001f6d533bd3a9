package report

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/stat"
)

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
		if !l.Served.isBound() && len(out) > 0 && !out[0].Served.isBound() {
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
	if l.Served != nil {
		l.Served.Bound = slices.ContainsFunc(metric.UsableRows(served),
			func(r metric.Row) bool { return validity(r) == lab.Censored })
	}
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
func onePerTrial(rows []metric.Row, name string, combine func(earlier, x float64) float64) []TrialValue {
	byTrial := map[lab.TrialID]TrialValue{}
	for _, r := range metric.UsableRows(rows) {
		x, ok := r.Float(name)
		if !ok {
			continue
		}
		id := r.TrialID()
		id.Attempt = 0 // the phases that count may come from several attempts
		if earlier, ok := byTrial[id]; ok {
			x = combine(earlier.Value, x)
		}
		byTrial[id] = TrialValue{Block: id.Block, Attempt: r.TrialID().Attempt, Value: x}
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
func values(rows []metric.Row, name string) (xs []TrialValue) {
	m, _ := metric.Find(name)
	for _, r := range metric.UsableRows(rows) {
		if f, bound, ok := r.Figure(m); ok {
			id := r.TrialID()
			xs = append(xs, TrialValue{id.Block, id.Attempt, f, bound})
		}
	}
	return xs
}

// newFigure returns the figure of the values of trials, or nil if there are none.
func newFigure(trials []TrialValue) *Figure {
	if len(trials) == 0 {
		return nil
	}
	slices.SortFunc(trials, func(a, b TrialValue) int {
		return cmp.Or(cmp.Compare(a.Block, b.Block), cmp.Compare(a.Attempt, b.Attempt))
	})
	xs, logs, exact := []float64{}, []float64{}, true
	for _, t := range trials {
		xs, logs = append(xs, t.Value), append(logs, math.Log(t.Value))
		exact = exact && t.Bound == metric.Exact
	}
	f := &Figure{N: len(xs), Median: stat.Median(xs), Trials: trials}
	f.Lowest, f.Highest = stat.Range(xs)
	if exact && len(xs) > 1 && f.Lowest > 0 {
		mean := stat.PairedEffect(logs)
		low, high := mean.Interval(lab.Alpha)
		f.Mean, f.Low, f.High = expOrNil(mean.Mean), expOrNil(low), expOrNil(high)
	}
	return f
}

// expOrNil returns the exponential of log, or nil if it is infinite.
func expOrNil(log float64) *float64 {
	x := math.Exp(log)
	if math.IsInf(x, 0) {
		return nil
	}
	return &x
}

// isBound reports whether the true value is the median or more.
func (f *Figure) isBound() bool { return f != nil && f.Bound }

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

// pairedRatio returns the median of a/b over the blocks that have both, or nil if none has. What
// slows a whole block cancels.
func pairedRatio(a, b map[int64]float64) *float64 {
	var ratios []float64
	for block, x := range a {
		if y, ok := b[block]; ok && y > 0 {
			ratios = append(ratios, x/y)
		}
	}
	median := stat.Median(ratios)
	if math.IsNaN(median) || math.IsInf(median, 0) {
		return nil
	}
	return &median
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
