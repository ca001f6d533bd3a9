package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/stat"
)

// Summary is what a run's table shows.
type Summary struct {
	RunID       string
	HostID      string
	Blocks      int
	Valid       int // trials of which every phase is valid or a bound
	Trials      int
	Sections    []Section
	InvalidRows []string // rows that are not valid, worst first: which, what, why
	Doubts      []string // what weakens figures that are valid
}

// Section is one scenario under one load. A scenario with several closed or
// several open loops has a section for each pair of them.
type Section struct {
	Scenario    string
	CPUs        int64     // of the server, where the scenario has several numbers of them; else 0
	ClosedPhase string    // the closed loop's name: "peak"; empty without one
	Connections int64     // of it
	OpenPhase   string    // the open loop's name: "steady"; empty without one
	RatesRPS    []float64 // that it offered, each once: several where each variant has its own
	DeadlineMS  float64   // of the open loop's goodput; 0 without one
	Lines       []Line    // by variant
}

// Line is one variant in a section. Figures come from rows that count.
type Line struct {
	Variant string
	Valid   int // trials of which every phase here is valid or a bound
	Trials  int
	// requests per second, or goodput where the section has no closed loop; a bound where a row is censored
	Served       Figure
	RatioToFirst float64 // median over blocks of Served / the first line's; NaN where either is a bound
	P50MS, P99MS Figure  // corrected, of the open loop; without one, raw, of a ladder
	CPUUS        Figure  // of the open loop, of the closed one without it
	MemoryMiB    Figure
	ColdStartMS  Figure
	Failed       *float64 // share of the requests that failed in the worst row that counts; nil without one
}

// Figure is the median of N trials and their range.
type Figure struct {
	N                       int
	Median, Lowest, Highest float64
	Bound                   bool // true when the true figure is Median or more
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
	}
	s.Valid, s.Trials = countTrials(rows)
	s.InvalidRows = invalidRows(rows)
	s.Doubts = doubts(rows)
	return s
}

// maxSteal is the share of the CPUs that the hypervisor may take before a
// reader must be told: 10 % of one of two cores.
const maxSteal = 0.05

func doubts(rows []metric.Row) []string {
	most := 0.0
	for _, r := range metric.UsableRows(rows) {
		if steal, ok := r.Float("steal_ratio"); ok {
			most = max(most, steal)
		}
	}
	if most <= maxSteal {
		return nil
	}
	return []string{fmt.Sprintf("the hypervisor took up to %.0f%% of the CPUs (steal_ratio): latencies are in "+
		"part its own, "+
		"and another machine will give others", 100*most)}
}

func phaseKind(r metric.Row) lab.PhaseKind { return lab.PhaseKindOf(r.Text("phase")) }

func isOpen(r metric.Row) bool { return phaseKind(r).IsOpenLoop() && !isSearch(r) }

func isSearch(r metric.Row) bool { return phaseKind(r) == lab.Capacity }

func isClosed(r metric.Row) bool { return phaseKind(r) == lab.Peak || phaseKind(r) == lab.Ladder }

func validity(r metric.Row) lab.Validity { return lab.Validity(r.Text("validity")) }

func isValid(r metric.Row) bool { return validity(r) == lab.Valid }

func byVariant(rows []metric.Row) map[string][]metric.Row {
	out := map[string][]metric.Row{}
	for _, r := range rows {
		out[r.Text("variant")] = append(out[r.Text("variant")], r)
	}
	return out
}

// sections are those of a scenario, for each number of CPUs. What controls a run
// is told of before its figures and is none of them.
func sections(scenario string, rows []metric.Row) (out []Section) {
	if scenario == lab.ReferenceScenario || scenario == lab.BurnScenario {
		return nil
	}
	rows = filterRows(rows,
		func(r metric.Row) bool { return lab.OriginalOf(r.Text("variant")) == r.Text("variant") })
	if len(rows) == 0 {
		return nil
	}
	counts := cpuCounts(rows)
	if len(counts) < 2 {
		return splitByLoad(Section{Scenario: scenario}, rows)
	}
	for _, n := range counts {
		out = append(out, splitByLoad(Section{Scenario: scenario, CPUs: n},
			filterRows(rows,
				func(r metric.Row) bool {
					own, ok := r.Int("server_cpus")
					return own == n || !ok &&
						n == counts[0]
				}))...)
	}
	return out
}

// cpuCounts are the numbers of CPUs that servers were given, ascending.
func cpuCounts(rows []metric.Row) (counts []int64) {
	for _, r := range rows {
		if n, ok := r.Int("server_cpus"); ok && !slices.Contains(counts, n) {
			counts = append(counts, n)
		}
	}
	slices.Sort(counts)
	return counts
}

// splitByLoad puts the first closed loop with the first open one, the second with the
// second, and so on; a search is alone. A row of none of them, from a trial that
// failed before its first phase, goes to the first section.
func splitByLoad(like Section, rows []metric.Row) []Section {
	closed, open := phaseNames(rows, isClosed), phaseNames(rows, isOpen)
	var out []Section
	for i := range max(len(closed), len(open)) {
		s := like
		if i < len(closed) {
			s.ClosedPhase = closed[i]
		}
		if i < len(open) {
			s.OpenPhase = open[i]
		}
		out = append(out, s)
	}
	for _, name := range phaseNames(rows, isSearch) {
		s := like
		s.OpenPhase = name
		out = append(out, s)
	}
	if len(out) == 0 {
		out = append(out, like)
	}
	parts := make([][]metric.Row, len(out))
	for _, r := range rows {
		phase := r.Text("phase")
		i := max(0, slices.IndexFunc(out,
			func(s Section) bool { return phase != "" && (s.ClosedPhase == phase || s.OpenPhase == phase) }))
		parts[i] = append(parts[i], r)
		out[i].addLoad(r)
	}
	for i := range out {
		out[i].Lines = lines(parts[i])
	}
	return out
}

// phaseNames are those of the phases that are wanted, in their order.
func phaseNames(rows []metric.Row, wanted func(metric.Row) bool) (all []string) {
	for _, r := range rows {
		if name := r.Text("phase"); wanted(r) && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// addLoad notes the load of a row of the section.
func (s *Section) addLoad(r metric.Row) {
	if n, ok := r.Int("connections"); ok && isClosed(r) {
		s.Connections = n
	}
	if rps, ok := r.Float("offered_rps"); ok && !isSearch(r) && !slices.Contains(s.RatesRPS, rps) {
		s.RatesRPS = append(s.RatesRPS, rps)
	}
	if ms, ok := r.Float("deadline_ms"); ok {
		s.DeadlineMS = ms
	}
}

func lines(rows []metric.Row) []Line {
	var out []Line
	var first map[int64]float64
	for variant, own := range sorted(byVariant(rows)) {
		l := line(variant, own)
		blocks := servedByBlock(own)
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

func line(variant string, rows []metric.Row) Line {
	l := Line{Variant: variant}
	l.Valid, l.Trials = countTrials(rows)
	l.Failed = worstFailed(rows)
	closed, open := filterRows(rows, isClosed), filterRows(rows,
		func(r metric.Row) bool { return isOpen(r) || isSearch(r) })
	head, name := headline(rows)
	l.Served = newFigure(values(head, name, metric.Row.IsUsable))
	l.Served.Bound = slices.ContainsFunc(metric.UsableRows(head),
		func(r metric.Row) bool { return validity(r) == lab.Censored })
	l.P50MS = newFigure(values(open, "latency_p50_ms", isValid))
	l.P99MS = newFigure(values(open, "latency_p99_ms", isValid))
	if len(open) == 0 {
		ladder := filterRows(closed, func(r metric.Row) bool { return phaseKind(r) == lab.Ladder })
		l.P50MS = newFigure(values(ladder, "latency_raw_p50_ms", isValid))
		l.P99MS = newFigure(values(ladder, "latency_raw_p99_ms", isValid))
		open = closed
	}
	l.CPUUS = newFigure(values(open, "cpu_us_per_request", isValid))
	l.MemoryMiB = newFigure(onePerTrial(rows, "memory_peak_mib",
		func(had, x float64) float64 { return max(had, x) }))
	l.ColdStartMS = newFigure(onePerTrial(rows, "cold_start_ms", func(_, x float64) float64 { return x }))
	return l
}

// onePerTrial is one figure for each trial, as it is the trial's and not the phase's;
// both says which of two that its rows have.
func onePerTrial(rows []metric.Row, name string, both func(had, x float64) float64) []float64 {
	seen := map[lab.TrialID]float64{}
	for _, r := range metric.UsableRows(rows) {
		x, ok := r.Float(name)
		if !ok {
			continue
		}
		id := r.TrialID()
		id.Attempt = 0 // phases that count may be of several
		if had, more := seen[id]; more {
			x = both(had, x)
		}
		seen[id] = x
	}
	return slices.Collect(maps.Values(seen))
}

// headline is what a section ranks by: the closed loop's throughput, or without
// one what a search found, or the open loop's goodput.
func headline(rows []metric.Row) (of []metric.Row, name string) {
	if closed := filterRows(rows, isClosed); len(closed) > 0 {
		return closed, "throughput_rps"
	}
	if searches := filterRows(rows, isSearch); len(searches) > 0 {
		return searches, "capacity_rps"
	}
	return filterRows(rows, isOpen), "goodput_rps"
}

// countTrials are how many were measured, each attempt for itself, and of how many every
// phase is valid or a bound.
func countTrials(rows []metric.Row) (usable, all int) {
	spoilt := map[lab.TrialID]bool{}
	for _, r := range rows {
		spoilt[r.TrialID()] = spoilt[r.TrialID()] || !r.IsUsable()
	}
	for _, bad := range spoilt {
		if !bad {
			usable++
		}
	}
	return usable, len(spoilt)
}

func filterRows(rows []metric.Row, wanted func(metric.Row) bool) (out []metric.Row) {
	for _, r := range rows {
		if wanted(r) {
			out = append(out, r)
		}
	}
	return out
}

// values are those of a column in the rows that count and are wanted.
func values(rows []metric.Row, name string, wanted func(metric.Row) bool) []float64 {
	var xs []float64
	for _, r := range metric.UsableRows(rows) {
		if f, ok := r.Float(name); ok && wanted(r) {
			xs = append(xs, f)
		}
	}
	return xs
}

// newFigure of bounds and values together is itself a bound: no true value lies
// below what was seen, so neither does their median.
func newFigure(xs []float64) Figure {
	lowest, most := stat.Range(xs)
	return Figure{N: len(xs), Median: stat.Median(xs), Lowest: lowest, Highest: most}
}

func servedByBlock(rows []metric.Row) map[int64]float64 {
	served := map[int64]float64{}
	head, name := headline(rows)
	for _, r := range metric.UsableRows(head) {
		block, _ := r.Int("block")
		if f, ok := r.Float(name); ok && isValid(r) {
			served[block] = f
		}
	}
	return served
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

func invalidRows(rows []metric.Row) []string {
	rank := map[lab.Validity]int{lab.Failed: 0, lab.Disturbed: 1, lab.Censored: 2}
	var bad []metric.Row
	for _, r := range rows {
		if !isValid(r) {
			bad = append(bad, r)
		}
	}
	slices.SortStableFunc(bad,
		func(a, b metric.Row) int { return cmp.Compare(rank[validity(a)], rank[validity(b)]) })
	out := make([]string, len(bad))
	for i, r := range bad {
		block, _ := r.Int("block")
		where := strings.TrimSpace(fmt.Sprintf("%s %s block %d %s", r.Text("scenario"), r.Text("variant"), block,
			r.Text("phase")))
		out[i] = fmt.Sprintf("%s: %s: %s", where, validity(r),
			cmp.Or(r.Text("validity_reason"), "no reason recorded"))
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
