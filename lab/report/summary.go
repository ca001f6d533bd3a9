package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/stat"
)

// enough is the number of blocks below which no comparison is claimed.
const enough = 6

// Summary is what a run's table shows.
type Summary struct {
	RunID    string
	HostID   string
	Blocks   int
	Valid    int // trials of which every phase is valid or a bound
	Trials   int
	Sections []Section
	Notes    []string // rows that are not valid, worst first: which, what, why
	Doubts   []string // what weakens figures that are valid
}

// Section is one scenario under one load. A scenario with several peaks or
// several rates has a section for each pair of them.
type Section struct {
	Scenario    string
	Connections int64   // of the peak; 0 without one
	RateRPS     float64 // of the steady phase; 0 without one
	Lines       []Line  // by variant
}

// Line is one variant in a section. Figures come from rows that are valid.
type Line struct {
	Variant      string
	Valid        int // trials of which every phase here is valid or a bound
	Trials       int
	Peak         Figure  // requests per second; a bound where a row is censored
	ToFirst      float64 // median over blocks of peak / the first line's peak; NaN where either is a bound
	P50MS, P99MS Figure  // corrected, of the steady phase
	CPUUS        Figure  // of the steady phase, of the peak without one
	MemoryMiB    Figure
	ColdStartMS  Figure
}

// Figure is the median of N trials and their range.
type Figure struct {
	N                    int
	Median, Lowest, Most float64
	Bound                bool // true when the true figure is Median or more
}

// Summarise makes a run's table from the rows of its trials.csv, in their
// order.
func Summarise(rows []metric.Row) Summary {
	var s Summary
	blocks := map[int64]bool{}
	var scenarios []string
	byScenario := map[string][]metric.Row{}
	for _, r := range rows {
		s.RunID, s.HostID = r.Text("run_id"), r.Text("host_id")
		if b, ok := r.Int("block"); ok {
			blocks[b] = true
		}
		name := r.Text("scenario")
		if _, seen := byScenario[name]; !seen {
			scenarios = append(scenarios, name)
		}
		byScenario[name] = append(byScenario[name], r)
	}
	s.Blocks = len(blocks)
	for _, name := range scenarios {
		s.Sections = append(s.Sections, sections(name, byScenario[name])...)
		for _, ofVariant := range sorted(byVariant(byScenario[name])) {
			for _, trial := range trials(ofVariant) {
				s.Trials++
				if usable(trial) {
					s.Valid++
				}
			}
		}
	}
	s.Notes = notes(rows)
	s.Doubts = doubts(rows)
	return s
}

// muchSteal is the share of the CPUs that the hypervisor may take before a
// reader must be told: 10 % of one of two cores.
const muchSteal = 0.05

func doubts(rows []metric.Row) []string {
	most := 0.0
	for _, r := range rows {
		if steal, ok := r.Float("steal_ratio"); ok && validOrBound(r) {
			most = max(most, steal)
		}
	}
	if most <= muchSteal {
		return nil
	}
	return []string{fmt.Sprintf("the hypervisor took up to %.0f%% of the CPUs (steal_ratio): latencies are in part its own, "+
		"and another machine will give others", 100*most)}
}

func is(r metric.Row, kind lab.PhaseKind) bool { return r.Text("phase") == string(kind) }

func validity(r metric.Row) lab.Validity { return lab.Validity(r.Text("validity")) }

func valid(r metric.Row) bool { return validity(r) == lab.Valid }

func validOrBound(r metric.Row) bool { return valid(r) || validity(r) == lab.Censored }

// usable reports whether every phase of a trial is valid or a bound.
func usable(trial []metric.Row) bool {
	return !slices.ContainsFunc(trial, func(r metric.Row) bool { return !validOrBound(r) })
}

func byVariant(rows []metric.Row) map[string][]metric.Row {
	out := map[string][]metric.Row{}
	for _, r := range rows {
		out[r.Text("variant")] = append(out[r.Text("variant")], r)
	}
	return out
}

// load tells the peaks of a scenario apart, and its rates.
func load(r metric.Row) float64 {
	name := "connections"
	if is(r, lab.Steady) {
		name = "offered_rps"
	}
	f, _ := r.Float(name)
	return f
}

// sections puts the first peak with the first rate, the second with the second,
// and so on. A row of neither, from a trial that failed before its first phase,
// goes to the first section.
func sections(scenario string, rows []metric.Row) []Section {
	var peaks, rates []float64
	for _, r := range rows {
		switch {
		case is(r, lab.Peak) && !slices.Contains(peaks, load(r)):
			peaks = append(peaks, load(r))
		case is(r, lab.Steady) && !slices.Contains(rates, load(r)):
			rates = append(rates, load(r))
		}
	}
	out := make([]Section, max(len(peaks), len(rates), 1))
	parts := make([][]metric.Row, len(out))
	for i := range out {
		out[i].Scenario = scenario
		if i < len(peaks) {
			out[i].Connections = int64(peaks[i])
		}
		if i < len(rates) {
			out[i].RateRPS = rates[i]
		}
	}
	for _, r := range rows {
		i := 0
		switch {
		case is(r, lab.Peak):
			i = slices.Index(peaks, load(r))
		case is(r, lab.Steady):
			i = slices.Index(rates, load(r))
		}
		parts[i] = append(parts[i], r)
	}
	for i := range out {
		out[i].Lines = lines(parts[i])
	}
	return out
}

func lines(rows []metric.Row) []Line {
	var out []Line
	var first map[int64]float64
	for variant, own := range sorted(byVariant(rows)) {
		l := line(variant, own)
		blocks := peakByBlock(own)
		if first == nil {
			first = blocks
		}
		l.ToFirst = math.NaN()
		if !l.Peak.Bound && len(out) > 0 && !out[0].Peak.Bound {
			l.ToFirst = pairedRatio(blocks, first)
		}
		out = append(out, l)
	}
	return out
}

func line(variant string, rows []metric.Row) Line {
	l := Line{Variant: variant}
	var memory, cold []float64
	for _, trial := range trials(rows) {
		l.Trials++
		if usable(trial) {
			l.Valid++
		}
		// Both are the trial's, not the phase's: one figure each.
		if xs := values(trial, "memory_peak_mib", validOrBound); len(xs) > 0 {
			memory = append(memory, slices.Max(xs))
		}
		if xs := values(trial, "cold_start_ms", validOrBound); len(xs) > 0 {
			cold = append(cold, xs[0])
		}
	}
	peaks, steady := ofKind(rows, lab.Peak), ofKind(rows, lab.Steady)
	l.Peak = figure(values(peaks, "throughput_rps", validOrBound))
	l.Peak.Bound = slices.ContainsFunc(peaks, func(r metric.Row) bool { return validity(r) == lab.Censored })
	l.P50MS = figure(values(steady, "latency_p50_ms", valid))
	l.P99MS = figure(values(steady, "latency_p99_ms", valid))
	if len(steady) == 0 {
		steady = peaks
	}
	l.CPUUS = figure(values(steady, "cpu_us_per_request", valid))
	l.MemoryMiB, l.ColdStartMS = figure(memory), figure(cold)
	return l
}

// trials splits a variant's rows into its trials. A trial that was repeated has
// the same block; its rows begin anew with a load that was there already.
func trials(rows []metric.Row) [][]metric.Row {
	var out [][]metric.Row
	newest := map[int64]int{} // block to index in out
	for _, r := range rows {
		block, _ := r.Int("block")
		i, known := newest[block]
		if !known || slices.ContainsFunc(out[i], func(had metric.Row) bool {
			return had.Text("phase") == "" || had.Text("phase") == r.Text("phase") && load(had) == load(r)
		}) {
			i = len(out)
			out = append(out, nil)
			newest[block] = i
		}
		out[i] = append(out[i], r)
	}
	return out
}

func ofKind(rows []metric.Row, kind lab.PhaseKind) []metric.Row {
	var out []metric.Row
	for _, r := range rows {
		if is(r, kind) {
			out = append(out, r)
		}
	}
	return out
}

func values(rows []metric.Row, name string, counts func(metric.Row) bool) []float64 {
	var xs []float64
	for _, r := range rows {
		if f, ok := r.Float(name); ok && counts(r) {
			xs = append(xs, f)
		}
	}
	return xs
}

// figure of bounds and values together is itself a bound: no true value lies
// below what was seen, so neither does their median.
func figure(xs []float64) Figure {
	lowest, most := stat.Range(xs)
	return Figure{N: len(xs), Median: stat.Median(xs), Lowest: lowest, Most: most}
}

func peakByBlock(rows []metric.Row) map[int64]float64 {
	seen := map[int64][]float64{}
	for _, r := range ofKind(rows, lab.Peak) {
		block, _ := r.Int("block")
		if f, ok := r.Float("throughput_rps"); ok && valid(r) {
			seen[block] = append(seen[block], f)
		}
	}
	out := make(map[int64]float64, len(seen))
	for block, xs := range seen {
		out[block] = stat.Median(xs)
	}
	return out
}

// pairedRatio is the median of a/b over the blocks that have both: what slows a
// whole block falls out.
func pairedRatio(a, b map[int64]float64) float64 {
	var ratios []float64
	for block, x := range a {
		if y, ok := b[block]; ok && y > 0 {
			ratios = append(ratios, x/y)
		}
	}
	return stat.Median(ratios)
}

func notes(rows []metric.Row) []string {
	rank := map[lab.Validity]int{lab.Failed: 0, lab.Disturbed: 1, lab.Censored: 2}
	var bad []metric.Row
	for _, r := range rows {
		if !valid(r) {
			bad = append(bad, r)
		}
	}
	slices.SortStableFunc(bad, func(a, b metric.Row) int { return cmp.Compare(rank[validity(a)], rank[validity(b)]) })
	out := make([]string, len(bad))
	for i, r := range bad {
		block, _ := r.Int("block")
		where := strings.TrimSpace(fmt.Sprintf("%s %s block %d %s", r.Text("scenario"), r.Text("variant"), block, r.Text("phase")))
		out[i] = fmt.Sprintf("%s: %s: %s", where, validity(r), cmp.Or(r.Text("validity_reason"), "no reason recorded"))
	}
	return out
}

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
