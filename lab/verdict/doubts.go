package verdict

import (
	"cmp"
	"iter"
	"maps"
	"math"
	"slices"

	"runtimelab/lab"
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
)

// doubts returns what weakens verdicts that stand: about the rows that count, the pilots, the
// controls, and tests that disagree.
func doubts(p lab.Plan, rows rowTable, verdicts []lab.Verdict) (out []lab.Reason) {
	if p.Profile.CanCompare() && len(p.Hypotheses) > 0 && len(p.Controls) == 0 {
		out = append(out, lab.Reason{Kind: lab.NoControl})
	}
	for _, pilot := range p.Pilots {
		if pilot.Doubt != "" {
			out = append(out, lab.Reason{
				Kind: lab.PilotDoubt, Subject: pilot.Scenario, Names: []string{pilot.Variant}, Text: pilot.Doubt,
			})
		}
	}
	out = append(out, failureDoubts(rows)...)
	out = append(out, ownServerDoubts(p, rows)...)
	unsteady, trials := unsteadyWarmUps(rows)
	if len(unsteady) > 0 {
		out = append(out, unsteady.reason(lab.UnsteadyWarmUp, trials))
	}
	drifting, phases := driftingPhases(rows)
	if len(drifting) > 0 {
		doubt := drifting.reason(lab.Drift, phases)
		doubt.Limit = maxDrift
		out = append(out, doubt)
	}
	uneven, shared := unevenPhases(rows)
	if len(uneven) > 0 {
		doubt := uneven.reason(lab.UnevenProcesses, shared)
		doubt.Limit = maxUnevenFactor
		out = append(out, doubt)
	}
	out = append(out, waitingDoubts(rows)...)
	out = append(out, speedDoubts(rows)...)
	for _, v := range verdicts {
		for _, d := range v.Doubts {
			d.Names = []string{v.ID()}
			out = append(out, d)
		}
	}
	return out
}

// tally counts occurrences by the cell, or by the cell and phase, that they are in.
type tally map[string]int

// reason returns a reason about all occurrences among total ones. Its parts are the places, those
// with most occurrences first.
func (t tally) reason(kind lab.ReasonKind, total int) lab.Reason {
	r := lab.Reason{Kind: kind, Total: total}
	for name, n := range t {
		r.Count += n
		r.Parts = append(r.Parts, lab.Part{Name: name, Count: n})
	}
	slices.SortFunc(r.Parts, func(a, b lab.Part) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	return r
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

// speedDoubts returns a doubt if the machine was slower in one block than in another. It compares
// the fastest canaries of the blocks, which neither a neighbour nor the server disturbed.
func speedDoubts(rows rowTable) []lab.Reason {
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
		return nil
	}
	blocks := slices.SortedFunc(maps.Keys(fastest), func(a, b int64) int {
		return cmp.Or(cmp.Compare(fastest[a], fastest[b]), cmp.Compare(a, b))
	})
	fast, slow := blocks[0], blocks[len(blocks)-1]
	if fastest[slow] <= maxPaceRatio*fastest[fast] {
		return nil
	}
	return []lab.Reason{{Kind: lab.SpeedChanged, Parts: []lab.Part{
		{Block: int(fast), Value: fastest[fast]}, {Block: int(slow), Value: fastest[slow]},
	}}}
}

// rowLabel returns the scenario and variant of a row.
func rowLabel(r metric.Row) string { return r.Text("scenario") + " " + r.Text("variant") }
