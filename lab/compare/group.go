package compare

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/stat"
)

// errOutOfOrder means that a row belongs to an earlier block than the row before it. The lab
// writes no such file, but other programs may sort one.
var errOutOfOrder = errors.New("the rows are not in the order of blocks")

// evidence is what a row contributes: nothing, a bound or a value.
type evidence int

const (
	noEvidence    evidence = iota // disturbed or failed
	boundEvidence                 // censored
	validEvidence                 // valid
)

func evidenceOf(validity []byte) evidence {
	switch lab.Validity(validity) {
	case lab.Valid:
		return validEvidence
	case lab.Censored:
		return boundEvidence
	}
	return noEvidence
}

// row holds what a group needs of a row.
type row struct {
	block, attempt int64
	evidence       evidence
	failed         float64  // share of requests
	cells          [][]byte // in the order of runReader.metrics
}

// group holds the trials of a key.
type group struct {
	wholeTrial    *group // of the trials that a phase is part of; nil for whole trials
	script, image *distinctValues
	kind          lab.PhaseKind     // of the phase; empty for whole trials
	loads         [4]distinctValues // in the order of loadColumns
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
	attempt  int64
	evidence evidence
	failed   float64   // largest share among the usable phases of the attempt
	values   []float64 // by tally; NaN: missing
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
		current.evidence, current.attempt, current.failed = noEvidence, 0, 0
		g.latestBlock = r.block
	}
	current.failed = current.failedAfterAdding(r)
	if known {
		g.held[r.block] = current
	}
	if !known || r.evidence != noEvidence && current.replacedBy(r) {
		current.attempt, current.evidence = r.attempt, r.evidence
		if len(current.values) == 0 {
			current.values = make([]float64, len(g.tallies))
		}
		for i := range g.tallies {
			v, err := g.tallies[i].parse(r.cells[g.tallies[i].column])
			if err != nil {
				return err
			}
			current.values[i] = v
		}
		g.held[r.block] = current
	}
	return nil
}

// failedAfterAdding returns what h.failed becomes when row r, one phase of a trial, is added. The
// first usable row and one of a later attempt replace it. One of the same attempt can only raise
// it. A row of an earlier attempt or without evidence does not change it.
func (h heldRow) failedAfterAdding(r *row) float64 {
	switch {
	case r.evidence == noEvidence || h.evidence != noEvidence && r.attempt < h.attempt:
		return h.failed
	case h.evidence == noEvidence || r.attempt > h.attempt:
		return r.failed
	}
	return max(h.failed, r.failed)
}

// replacedBy reports whether a usable row replaces the held one. Rows of one attempt are the
// phases of a trial: for the whole trial a valid one counts rather than a bound.
func (h heldRow) replacedBy(r *row) bool {
	return h.evidence == noEvidence || r.attempt > h.attempt ||
		r.attempt == h.attempt && r.evidence >= h.evidence
}

// completeBlock counts a block and returns its row, so that its memory can be reused.
func (g *group) completeBlock(block int64) heldRow {
	h, ok := g.held[block]
	if !ok {
		return h
	}
	delete(g.held, block)
	g.blocks++
	if h.evidence != noEvidence {
		g.failed = max(g.failed, h.failed)
	}
	for i := range g.tallies {
		g.tallies[i].add(h.values[i], h.evidence)
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

func (t *tally) add(value float64, e evidence) {
	if math.IsNaN(value) || e == noEvidence || e == boundEvidence && !t.hasBounds() {
		return
	}
	if e == boundEvidence {
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

// hasBounds reports whether the value of a censored row is a lower bound of the metric.
// Other metrics of a censored row do not count.
func (t *tally) hasBounds() bool {
	return t.metric.Group == metric.Throughput && t.metric.Better == metric.Higher
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

func (t *tally) parse(cell []byte) (float64, error) { return parseNumber(t.metric.Name, cell) }

// parseNumber parses a cell. An empty one is NaN.
func parseNumber(column string, cell []byte) (float64, error) {
	if len(cell) == 0 {
		return math.NaN(), nil
	}
	value, err := strconv.ParseFloat(string(cell), 64)
	if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		return 0, fmt.Errorf("column %s: %q is not a number", column, cell)
	}
	return value, nil
}
