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
	"runtimelab/lab/metric"
)

const (
	// maxDrift is by how much the two halves of a closed loop's phase may differ.
	maxDrift = 0.05
	// maxUnevenFactor is how many times its even share one of a server's processes may
	// do, where each could have had minConnectionsPerWorker connections.
	maxUnevenFactor         = 1.5
	minConnectionsPerWorker = 4
	// maxPaceRatio is how many times as long the fastest canaries of a block may take as
	// those of another.
	maxPaceRatio = 1.15
	// maxNamed is of how many cells a doubt tells the names.
	maxNamed = 4
)

// doubts are what rows that count have against them, and what the second opinion
// has against the first.
func doubts(p lab.Plan, rows rowTable, verdicts []lab.Verdict) (out []string) {
	if p.Profile.CanCompare() && len(p.Hypotheses) > 0 && len(p.Controls) == 0 {
		out = append(out, "no control was measured: nothing says that the instrument is right")
	}
	for _, pilot := range p.Pilots {
		if pilot.Doubt != "" {
			out = append(out, fmt.Sprintf("the peak of %s on %s, from which rates follow, may be none: %s",
				pilot.Variant, pilot.Scenario, pilot.Doubt))
		}
	}
	out = append(out, failureDoubts(rows)...)
	unsteady, trials := unsteadyWarmUps(rows)
	if n := unsteady.total(); n > 0 {
		out = append(out,
			fmt.Sprintf("%d of %d trials began before their throughput was steady, their warm-up ended by its "+
				"budget: %s", n, trials, unsteady))
	}
	drifting, phases := driftingPhases(rows)
	if n := drifting.total(); n > 0 {
		out = append(out,
			fmt.Sprintf("%d of %d closed phases drifted by more than %.0f %% from their first half to their second: "+
				"%s",
				n, phases, 100*maxDrift, drifting))
	}
	lopsided, shared := unevenPhases(rows)
	if n := lopsided.total(); n > 0 {
		out = append(out,
			fmt.Sprintf("in %d of %d closed phases on servers of several processes, one did more than %g times its "+
				"share of the work (busiest_process_ratio): %s",
				n, shared, maxUnevenFactor, lopsided))
	}
	if words := paceDoubt(rows); words != "" {
		out = append(out, words)
	}
	for _, v := range verdicts {
		for _, d := range v.Doubts {
			out = append(out, v.ID()+": "+d)
		}
	}
	return out
}

// tally counts what was seen by where.
type tally map[string]int

func (t tally) total() (n int) {
	for _, k := range t {
		n += k
	}
	return n
}

// String is where it was seen most, and how often.
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

// unsteadyWarmUps are the trials whose warm-up never got steady. Every row of a trial says
// how its warm-up ended.
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

// everyPhase yields the row of every phase that counts, each once.
func everyPhase(rows rowTable) iter.Seq[metric.Row] {
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

// closedPhases yields the rows of closed loops, each once.
func closedPhases(rows rowTable) iter.Seq[metric.Row] {
	return func(yield func(metric.Row) bool) {
		for r := range everyPhase(rows) {
			if r.Text("mode") == "closed" && !yield(r) {
				return
			}
		}
	}
}

// driftingPhases are the closed phases whose throughput changed while it was measured.
// That of an open loop is the schedule's.
func driftingPhases(rows rowTable) (drifting tally, phases int) {
	drifting = tally{}
	for r := range closedPhases(rows) {
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

// unevenPhases are the closed phases in which clients had come to one of a server's
// processes rather than to all: who gets them is the kernel's or the runtime's
// choice, and the throughput is less for it.
func unevenPhases(rows rowTable) (lopsided tally, phases int) {
	lopsided = tally{}
	for r := range closedPhases(rows) {
		busiest, ok := r.Float("busiest_process_ratio")
		workers, _ := r.Int("workers")
		connections, _ := r.Int("connections")
		if !ok || workers < 2 || connections < minConnectionsPerWorker*workers {
			continue
		}
		phases++
		if busiest*float64(workers) > maxUnevenFactor {
			lopsided[rowLabel(r)+" "+r.Text("phase")]++
		}
	}
	return lopsided, phases
}

// paceDoubt says that the machine was slower in one block than in another, by the row in
// whose canaries neither a neighbour nor the server was; empty where it was not.
func paceDoubt(rows rowTable) string {
	took := map[int64]float64{}
	for c, byBlock := range rows {
		if c.phase == "" || c.cores == 0 {
			continue
		}
		for block, r := range byBlock {
			ms, ok := r.Float("canary_max_ms")
			if least, known := took[block]; ok && (!known || ms < least) {
				took[block] = ms
			}
		}
	}
	if len(took) < 2 {
		return ""
	}
	blocks := slices.SortedFunc(maps.Keys(took), func(a, b int64) int {
		return cmp.Or(cmp.Compare(took[a], took[b]), cmp.Compare(a, b))
	})
	fast, slow := blocks[0], blocks[len(blocks)-1]
	if took[slow] <= maxPaceRatio*took[fast] {
		return ""
	}
	return fmt.Sprintf("the machine's pace changed: canaries took at least %.1f ms in block %d, and %.1f in "+
		"block %d. Figures are of both; ratios compare within blocks",
		took[fast], fast, took[slow], slow)
}

func rowLabel(r metric.Row) string { return r.Text("scenario") + " " + r.Text("variant") }
