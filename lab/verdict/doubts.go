package verdict

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
)

const (
	// maxDrift is the largest relative change of throughput from the first to the second half of a
	// closed phase.
	maxDrift = 0.05
	// maxUnevenFactor is the largest multiple of its even share of the work that one of a server's
	// processes may do. It applies if there are at least minConnectionsPerWorker connections per
	// process.
	maxUnevenFactor         = 1.5
	minConnectionsPerWorker = 4
	// maxPaceRatio is the largest ratio between the fastest canaries of two blocks.
	maxPaceRatio = 1.15
	// maxNamed is the number of cells that a doubt names.
	maxNamed = 4
)

// doubts returns what weakens verdicts that stand: about the rows that count, the pilots, the
// controls, and tests that disagree.
func doubts(p lab.Plan, rows rowTable, verdicts []lab.Verdict) (out []string) {
	if p.Profile.CanCompare() && len(p.Hypotheses) > 0 && len(p.Controls) == 0 {
		out = append(out, "no control was measured, so nothing checks the instrument")
	}
	for _, pilot := range p.Pilots {
		if pilot.Doubt != "" {
			out = append(out, fmt.Sprintf("the peak of %s on %s, on which rates depend, is doubtful: %s",
				pilot.Variant, pilot.Scenario, pilot.Doubt))
		}
	}
	out = append(out, failureDoubts(rows)...)
	out = append(out, ownServerDoubts(p, rows)...)
	unsteady, trials := unsteadyWarmUps(rows)
	if n := unsteady.total(); n > 0 {
		out = append(out, fmt.Sprintf("%d of %s began before throughput was steady "+
			"(their warm-up used up its budget): %s", n, message.Count(trials, "trial", "trials"), unsteady))
	}
	drifting, phases := driftingPhases(rows)
	if n := drifting.total(); n > 0 {
		out = append(out, fmt.Sprintf("throughput changed by more than %.0f %% from the first half to the "+
			"second in %d of %s: %s", 100*maxDrift, n,
			message.Count(phases, "closed phase", "closed phases"), drifting))
	}
	uneven, shared := unevenPhases(rows)
	if n := uneven.total(); n > 0 {
		out = append(out, fmt.Sprintf("one of several server processes did more than %g times its share of the "+
			"work (busiest_process_ratio) in %d of %s: %s", maxUnevenFactor, n,
			message.Count(shared, "closed phase", "closed phases"), uneven))
	}
	if doubt := speedDoubt(rows); doubt != "" {
		out = append(out, doubt)
	}
	for _, v := range verdicts {
		for _, d := range v.Doubts {
			out = append(out, v.ID()+": "+d)
		}
	}
	return out
}

// tally counts occurrences by the cell, or by the cell and phase, that they are in.
type tally map[string]int

func (t tally) total() (n int) {
	for _, k := range t {
		n += k
	}
	return n
}

// String returns the places with most occurrences, and how many each has.
func (t tally) String() string {
	names := slices.SortedFunc(maps.Keys(t), func(a, b string) int {
		if t[a] != t[b] {
			return t[b] - t[a]
		}
		return strings.Compare(a, b)
	})
	var parts []string
	for _, name := range names[:min(len(names), maxNamed)] {
		parts = append(parts, fmt.Sprintf("%s (%d)", name, t[name]))
	}
	if more := len(names) - len(parts); more > 0 {
		parts = append(parts, fmt.Sprintf("%d more", more))
	}
	return strings.Join(parts, ", ")
}

// unsteadyWarmUps counts the trials whose warm-up ended by its budget, before throughput was
// steady. Every row of a trial has the end of its warm-up.
func unsteadyWarmUps(rows rowTable) (unsteady tally, trials int) {
	unsteady = tally{}
	for c, byBlock := range rows {
		if c.phase != "" || c.cores == 0 {
			continue
		}
		for _, r := range byBlock {
			end := r.Text("warmup_end")
			if end == "" {
				continue
			}
			trials++
			if end == "budget" {
				unsteady[rowLabel(r)]++
			}
		}
	}
	return unsteady, trials
}

// phaseRows yields each usable row once.
func phaseRows(rows rowTable) iter.Seq[metric.Row] {
	return func(yield func(metric.Row) bool) {
		for c, byBlock := range rows {
			if c.phase == "" || c.cores == 0 {
				continue
			}
			for _, r := range byBlock {
				if !yield(r) {
					return
				}
			}
		}
	}
}

// closedPhaseRows yields the usable rows of closed loops, each once.
func closedPhaseRows(rows rowTable) iter.Seq[metric.Row] {
	return func(yield func(metric.Row) bool) {
		for r := range phaseRows(rows) {
			if r.Text("mode") == "closed" && !yield(r) {
				return
			}
		}
	}
}

// driftingPhases counts the closed phases whose throughput changed while it was measured. The
// schedule determines that of an open loop.
func driftingPhases(rows rowTable) (drifting tally, phases int) {
	drifting = tally{}
	for r := range closedPhaseRows(rows) {
		drift, ok := r.Float("drift_ratio")
		if !ok {
			continue
		}
		phases++
		if math.Abs(drift) > maxDrift {
			drifting[rowLabel(r)+" "+r.Text("phase")]++
		}
	}
	return drifting, phases
}

// unevenPhases counts the closed phases in which clients were spread unevenly over a server's
// processes. The kernel or the runtime spreads them, and an uneven spread lowers throughput.
func unevenPhases(rows rowTable) (uneven tally, phases int) {
	uneven = tally{}
	for r := range closedPhaseRows(rows) {
		busiest, ok := r.Float("busiest_process_ratio")
		workers, _ := r.Int("workers")
		connections, _ := r.Int("connections")
		if !ok || workers < 2 || connections < minConnectionsPerWorker*workers {
			continue
		}
		phases++
		if busiest*float64(workers) > maxUnevenFactor {
			uneven[rowLabel(r)+" "+r.Text("phase")]++
		}
	}
	return uneven, phases
}

// speedDoubt returns a doubt if the machine was slower in one block than in another, or "". It
// compares the fastest canaries of the blocks, which neither a neighbour nor the server disturbed.
func speedDoubt(rows rowTable) string {
	fastest := map[int64]float64{}
	for c, byBlock := range rows {
		if c.phase == "" || c.cores == 0 {
			continue
		}
		for block, r := range byBlock {
			ms, ok := r.Float("canary_max_ms")
			if least, known := fastest[block]; ok && (!known || ms < least) {
				fastest[block] = ms
			}
		}
	}
	if len(fastest) < 2 {
		return ""
	}
	blocks := slices.SortedFunc(maps.Keys(fastest), func(a, b int64) int {
		return cmp.Or(cmp.Compare(fastest[a], fastest[b]), cmp.Compare(a, b))
	})
	fast, slow := blocks[0], blocks[len(blocks)-1]
	if fastest[slow] <= maxPaceRatio*fastest[fast] {
		return ""
	}
	return fmt.Sprintf("the machine's speed changed: the fastest canaries took %.1f ms in block %d and %.1f ms "+
		"in block %d. Absolute figures mix both; ratios compare within blocks",
		fastest[fast], fast, fastest[slow], slow)
}

// rowLabel returns the scenario and variant of a row.
func rowLabel(r metric.Row) string { return r.Text("scenario") + " " + r.Text("variant") }
