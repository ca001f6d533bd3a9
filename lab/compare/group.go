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

// errOutOfOrder says that a block goes on after a later one began, as no run
// writes it.
var errOutOfOrder = errors.New("the rows are not in the order of blocks")

// evidence is what a row counts for.
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

// row is what a group takes of a row.
type row struct {
	block, attempt int64
	evidence       evidence
	failed         float64  // share of the requests
	cells          [][]byte // by the reading's metrics
}

// group is the trials of a key.
type group struct {
	wholeTrial    *group // that a phase is part of; nil for the trial as a whole
	script, image *distinctValues
	loads         [4]distinctValues
	tallies       []tally
	blocks        int // that ended
	earlyFailures int // rows of a trial that failed before its first phase
	// rows of blocks that may go on: the last one's, or all of a file out of order
	held        map[int64]heldRow
	latestBlock int64   // block
	failed      float64 // share of the requests of the worst trial that counts
}

// heldRow is the row of a block that counts until a later one does.
type heldRow struct {
	attempt  int64
	evidence evidence
	failed   float64   // of the attempt's phases that count, the most
	values   []float64 // by tally; NaN: missing
}

// add takes in a row. Of several attempts of a trial in one block the last one
// counts that is worth something. The blocks before that of the row are over:
// repeats come at the end of a block.
func (g *group) add(r *row, ordered bool) error {
	if g.held == nil {
		g.held, g.latestBlock = map[int64]heldRow{}, r.block
	}
	had, known := g.held[r.block]
	if ordered && !known {
		if r.block < g.latestBlock {
			return errOutOfOrder
		}
		had = g.end(g.latestBlock)
		had.evidence, had.attempt, had.failed = noEvidence, 0, 0
		g.latestBlock = r.block
	}
	had.failed = had.failedWith(r)
	if known {
		g.held[r.block] = had
	}
	if !known || r.evidence != noEvidence && had.replacedBy(r) {
		had.attempt, had.evidence = r.attempt, r.evidence
		if len(had.values) == 0 {
			had.values = make([]float64, len(g.tallies))
		}
		for i := range g.tallies {
			v, err := g.tallies[i].parse(r.cells[g.tallies[i].column])
			if err != nil {
				return err
			}
			had.values[i] = v
		}
		g.held[r.block] = had
	}
	return nil
}

// failedWith is the share of the requests that failed, a row taken in: the most of
// the phases of the last attempt that is worth something.
func (h heldRow) failedWith(r *row) float64 {
	switch {
	case r.evidence == noEvidence || h.evidence != noEvidence && r.attempt < h.attempt:
		return h.failed
	case h.evidence == noEvidence || r.attempt > h.attempt:
		return r.failed
	}
	return max(h.failed, r.failed)
}

// replacedBy reports whether a row that is worth something counts in place of the one
// held. Of several rows of one attempt, the phases of a trial, a valid one says
// more of the whole than a bound.
func (h heldRow) replacedBy(r *row) bool {
	return h.evidence == noEvidence || r.attempt > h.attempt || r.attempt == h.attempt &&
		r.evidence >= h.evidence
}

// end counts a block, and returns its row for another to use.
func (g *group) end(block int64) heldRow {
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

// finish counts what is still held, in the order of blocks, so that the order of
// rows changes nothing.
func (g *group) finish() {
	for _, block := range slices.Sorted(maps.Keys(g.held)) {
		g.end(block)
	}
}

// tally is the values of one metric of a group.
type tally struct {
	metric  metric.Metric
	column  int          // of the reading's metrics
	logs    stat.Moments // of values above zero
	moments stat.Moments // of all
	bounds  int          // of them, that are bounds: the truth is as much or more
	// bounds are counted, and their values left out: what a machine did is told by figures only
	skipBounds bool
}

func (t *tally) add(value float64, w evidence) {
	if math.IsNaN(value) || w == noEvidence || w == boundEvidence && !t.hasBounds() {
		return
	}
	if w == boundEvidence {
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

// hasBounds reports whether a censored row has a bound of the metric. Of any other
// it has nothing that counts.
func (t *tally) hasBounds() bool {
	return t.metric.Group == metric.Throughput && t.metric.Better == metric.Higher
}

// momentsOn is the values as they are compared.
func (t *tally) momentsOn(by Scale) stat.Moments {
	if by == RatioScale {
		return t.logs
	}
	return t.moments
}

// zeros is how many values have no logarithm.
func (t *tally) zeros() int { return t.moments.N - t.logs.N }

func (t *tally) parse(cell []byte) (float64, error) { return parse(t.metric.Name, cell) }

// parse reads a cell as a number, NaN where it is empty.
func parse(column string, cell []byte) (float64, error) {
	if len(cell) == 0 {
		return math.NaN(), nil
	}
	value, err := strconv.ParseFloat(string(cell), 64)
	if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		return 0, fmt.Errorf("column %s: %q is not a number", column, cell)
	}
	return value, nil
}
