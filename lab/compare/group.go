package compare

import (
	"errors"
	"maps"
	"math"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/stat"
)

// errOutOfOrder means that a row belongs to an earlier block than the row before it. The lab
// writes no such file, but other programs may sort one.
var errOutOfOrder = errors.New("the rows are not in the order of blocks")

// group holds the trials of a key.
type group struct {
	wholeTrial    *group // of the trials that a phase is part of; nil for whole trials
	script, image *distinctValues
	kind          lab.PhaseKind // of the phase; empty for whole trials
	loads         [len(loadColumns)]distinctValues
	tallies       []tally
	blocks        int // complete ones
	earlyFailures int // rows of trials that failed before their first phase
	// held has the rows of blocks that may go on: the latest one's, or all of a file out of order.
	held        map[int64]heldRow
	latestBlock int64
	failed      float64 // share of requests in the worst trial that counts
}

// heldRow is the row of a block that counts unless a later attempt replaces it.
type heldRow struct {
	attempt metric.Attempt
	failed  float64   // largest share among the usable phases of the attempt
	values  []float64 // by tally; NaN: missing
}

// add takes a row. In each block the last usable attempt counts. In an ordered file the
// blocks before the row's are complete, because repeats end a block.
func (g *group) add(r *row, ordered bool) error {
	if g.held == nil {
		g.held, g.latestBlock = map[int64]heldRow{}, r.block
	}
	current, known := g.held[r.block]
	if ordered && !known {
		if r.block < g.latestBlock {
			return errOutOfOrder
		}
		current = g.completeBlock(g.latestBlock)
		current.attempt, current.failed = metric.Attempt{}, 0
		g.latestBlock = r.block
	}
	current.failed = current.failedAfterAdding(r)
	if !known || r.attempt.Replaces(current.attempt) {
		current.attempt = r.attempt
		if len(current.values) == 0 {
			current.values = make([]float64, len(g.tallies))
		}
		for i := range g.tallies {
			value, err := r.values[g.tallies[i].column].Float()
			if err != nil {
				return err
			}
			current.values[i] = value
		}
	}
	g.held[r.block] = current
	return nil
}

// failedAfterAdding returns what h.failed becomes when row r, one phase of a trial, is added. A row
// of an attempt that counts instead replaces it. One of the same attempt can only raise it.
func (h heldRow) failedAfterAdding(r *row) float64 {
	switch {
	case r.attempt.Supersedes(h.attempt):
		return r.failed
	case r.attempt.IsUsable() && r.attempt.Number == h.attempt.Number:
		return max(h.failed, r.failed)
	}
	return h.failed
}

// completeBlock counts a block and returns its row, so that its memory can be reused.
func (g *group) completeBlock(block int64) heldRow {
	h, ok := g.held[block]
	if !ok {
		return h
	}
	delete(g.held, block)
	g.blocks++
	if h.attempt.IsUsable() {
		g.failed = max(g.failed, h.failed)
	}
	for i := range g.tallies {
		g.tallies[i].add(h.values[i], h.attempt.Validity)
	}
	return h
}

// finish counts the held blocks in ascending order, so that the order of rows does not
// change rounding errors.
func (g *group) finish() {
	for _, block := range slices.Sorted(maps.Keys(g.held)) {
		g.completeBlock(block)
	}
}

// tally accumulates the values of one metric of a group.
type tally struct {
	metric  metric.Metric
	column  int          // index in runReader.metrics
	logs    stat.Moments // of values above zero
	moments stat.Moments // of all values
	bounds  int          // values that are lower bounds
	// skipBounds counts bounds but leaves out their values: reference servers show the
	// machine's speed by exact values only.
	skipBounds bool
}

func (t *tally) add(value float64, v lab.Validity) {
	bound, counts := t.metric.Bound(v)
	if math.IsNaN(value) || !counts {
		return
	}
	if bound != metric.Exact {
		t.bounds++
		if t.skipBounds {
			return
		}
	}
	t.moments.Add(value)
	if value > 0 {
		t.logs.Add(math.Log(value))
	}
}

// bound returns the bound of the mean: if one value is a lower bound, the mean is too.
func (t *tally) bound() metric.Bound {
	if t.bounds > 0 {
		return metric.AtLeast
	}
	return metric.Exact
}

// momentsOn returns the moments on the scale of the comparison.
func (t *tally) momentsOn(scale Scale) stat.Moments {
	if scale == RatioScale {
		return t.logs
	}
	return t.moments
}

// zeros counts the values that have no logarithm.
func (t *tally) zeros() int { return t.moments.N - t.logs.N }
