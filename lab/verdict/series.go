package verdict

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
	"runtimelab/lab/stat"
)

// cellKey selects trials of which each block has one usable row. An empty phase or 0 cores match
// any.
type cellKey struct {
	scenario, variant, phase string
	cores                    int64
}

// rowTable holds the usable rows by cell and block, without those of disturbed or failed trials.
type rowTable map[cellKey]map[int64]metric.Row

// tabulate returns the usable rows as a table.
func tabulate(rows []metric.Row) rowTable {
	t := rowTable{}
	for _, r := range metric.UsableRows(rows) {
		block, ok := r.Int("block")
		if !ok {
			continue
		}
		cores, _ := r.Int("server_cpus")
		for _, phase := range []string{r.Text("phase"), ""} {
			for _, n := range []int64{cores, 0} {
				c := cellKey{r.Text("scenario"), r.Text("variant"), phase, n}
				if t[c] == nil {
					t[c] = map[int64]metric.Row{}
				}
				if held, known := t[c][block]; !known || r.Attempt().Replaces(held.Attempt()) {
					t[c][block] = r // a key without a phase matches several
				}
			}
		}
	}
	return t
}

// ratioTerm is a factor of a ratio: a metric of a cell, to a power.
type ratioTerm struct {
	name   string // "node/single peak"
	cell   cellKey
	metric metric.Metric
	power  float64 // positive above the fraction line, negative below
	side   side
}

// terms returns the factors of a hypothesis's ratio, the two arms first.
func terms(h lab.Hypothesis, m metric.Metric) []ratioTerm {
	var ts []ratioTerm
	add := func(a lab.Arm, power float64, s side) {
		a.Over = nil
		cell := cellKey{h.Scenario, a.Variant, a.Phase, int64(a.Cores)}
		ts = append(ts, ratioTerm{a.String(), cell, m, power, s})
	}
	for _, half := range []struct {
		arm   lab.Arm
		power float64
		side  side
	}{{h.Numerator, 1, numerator}, {h.Denominator, -1, denominatorSide(h)}} {
		add(half.arm, half.power, half.side)
		if half.arm.Over != nil {
			add(*half.arm.Over, -half.power, half.side)
		}
	}
	return append(ts, burnTerms(ts)...)
}

// burnTerms returns the terms that divide throughput on different numbers of CPUs by the throughput
// of the native burn, which is CPU work without a runtime, on as many CPUs. The rest is the scaling
// of the server alone. Equal numbers of CPUs above and below the fraction line cancel.
func burnTerms(factors []ratioTerm) (ts []ratioTerm) {
	powers := map[int64]float64{}
	for _, t := range factors {
		if t.metric.IsThroughput() {
			powers[t.cell.cores] += t.power
		}
	}
	rps, _ := metric.Find("throughput_rps")
	for _, cores := range slices.Sorted(maps.Keys(powers)) {
		if power := powers[cores]; power != 0 {
			name := "the native burn on " + message.Count(int(cores), "CPU", "CPUs")
			cell := cellKey{lab.BurnScenario, lab.BurnVariant, "", cores}
			ts = append(ts, ratioTerm{name, cell, rps, -power, neither})
		}
	}
	return ts
}

// logValue returns the log of a term's value in a block, times its power, and its bound.
// missing says why there is no value; its Lacks is empty if there is one.
func (t ratioTerm) logValue(rows rowTable, block int64) (log float64, bound metric.Bound, missing lab.Part) {
	missing = lab.Part{Name: t.name}
	r, ok := rows[t.cell][block]
	if !ok {
		missing.Lacks = lab.NoValidTrial
		return 0, metric.Exact, missing
	}
	bound, counts := t.metric.Bound(r.Attempt().Validity)
	if !counts {
		missing.Lacks = lab.IsCensored
		return 0, metric.Exact, missing
	}
	value, ok := r.Float(t.metric.Name)
	if !ok {
		missing.Lacks, missing.Metric = lab.NoValue, t.metric.Name
		return 0, metric.Exact, missing
	}
	if value <= 0 {
		missing.Lacks, missing.Metric, missing.Value = lab.NoRatioOf, t.metric.Name, value
		return 0, metric.Exact, missing
	}
	if t.power < 0 {
		bound = bound.Inverse()
	}
	return t.power * math.Log(value), bound, missing
}

// series holds the log ratios of a hypothesis in order of blocks, one for each block that has a
// value of every term.
type series struct {
	logs    []float64
	exact   []float64    // those of logs that are not bounds
	bound   metric.Bound // of their mean
	ratios  []lab.BlockRatio
	missing []lab.Part     // terms without a value, and in how many blocks
	failing failuresByTerm // terms with trials that fail more than the metric tolerates

	failingBound metric.Bound // of their mean, by failures
}

// collectLogRatios returns the log ratios of the terms in blocks 1 to blocks.
func collectLogRatios(ts []ratioTerm, rows rowTable, blocks int) (s series) {
	lacks := map[lab.Part]int{}
	s.failing = failuresByTerm{}
	for block := int64(1); block <= int64(blocks); block++ {
		sum, complete, generators := 0.0, true, []string(nil)
		blockBound := metric.Exact
		for _, t := range ts {
			log, bound, missing := t.logValue(rows, block)
			if missing.Lacks == "" {
				generators = append(generators, rows[t.cell][block].Text("generator"))
				if generators[len(generators)-1] != generators[0] {
					missing.Lacks = lab.OtherGenerator
				}
			}
			if missing.Lacks != "" {
				lacks[missing]++
				complete = false
			}
			sum += log
			blockBound = blockBound.Times(bound)
		}
		if complete {
			s.noteFailures(ts, rows, block)
			s.logs = append(s.logs, sum)
			if ratio := expOrNil(sum); ratio != nil {
				s.ratios = append(s.ratios,
					lab.BlockRatio{Block: int(block), Ratio: *ratio, Bound: string(blockBound)})
			}
			s.bound = s.bound.Times(blockBound)
			if blockBound == metric.Exact {
				s.exact = append(s.exact, sum)
			}
		}
	}
	for _, part := range slices.SortedFunc(maps.Keys(lacks), compareMissing) {
		part.Count = lacks[part]
		s.missing = append(s.missing, part)
	}
	return s
}

// compareMissing orders missing values by their terms, and then by what these lack.
func compareMissing(a, b lab.Part) int {
	order := []lab.Lack{lab.NoRatioOf, lab.NoValue, lab.NoValidTrial, lab.IsCensored, lab.OtherGenerator}
	return cmp.Or(cmp.Compare(a.Name, b.Name),
		cmp.Compare(slices.Index(order, a.Lacks), slices.Index(order, b.Lacks)),
		cmp.Compare(a.Metric, b.Metric), cmp.Compare(a.Value, b.Value))
}

// noteFailures records which terms fail in a block that has a value of each.
func (s *series) noteFailures(ts []ratioTerm, rows rowTable, block int64) {
	for _, t := range ts {
		share, fails := rows[t.cell][block].Fails(t.metric)
		if !fails {
			continue
		}
		s.failing[t.name] = s.failing[t.name].with(share, block, t.metric)
		s.failingBound = s.failingBound.Times(t.side.failingBound(t.metric))
	}
}

// IsRelativeToBurn reports whether a hypothesis compares throughput on different numbers of CPUs.
// Its ratio is then relative to the gain of the native burn.
func IsRelativeToBurn(h lab.Hypothesis) bool {
	m, _ := metric.Find(h.Metric)
	arms := terms(h, m)
	return len(arms) > len(h.Arms())
}

// ArmValues returns the values of a hypothesis's two arms in the blocks that have a valid trial of
// both by the same generator, and no bound.
func ArmValues(h lab.Hypothesis, rows []metric.Row) (both stat.PairedValues) {
	m, known := metric.Find(h.Metric)
	if !known {
		return both
	}
	table, arms := tabulate(rows), terms(h, m)
	for block := int64(1); block <= lastBlock(rows); block++ {
		_, boundA, lacksA := arms[0].logValue(table, block)
		_, boundB, lacksB := arms[1].logValue(table, block)
		if boundA != metric.Exact || boundB != metric.Exact || lacksA.Lacks != "" || lacksB.Lacks != "" {
			continue
		}
		rowA, rowB := table[arms[0].cell][block], table[arms[1].cell][block]
		if rowA.Text("generator") != rowB.Text("generator") {
			continue
		}
		a, _ := rowA.Float(m.Name)
		b, _ := rowB.Float(m.Name)
		both.A, both.B = append(both.A, a), append(both.B, b)
	}
	return both
}

// LogRatioSD returns the standard deviation of a hypothesis's log ratio over the blocks without
// bounds, and the number of those blocks. How a bound varies does not show how the true value does.
func LogRatioSD(h lab.Hypothesis, rows []metric.Row) (sd float64, blocks int) {
	m, known := metric.Find(h.Metric)
	if !known {
		return 0, 0
	}
	s := collectLogRatios(terms(h, m), tabulate(rows), int(lastBlock(rows)))
	return stat.MomentsOf(s.exact...).SD(), len(s.exact)
}

// lastBlock returns the largest block number of the rows.
func lastBlock(rows []metric.Row) (n int64) {
	for _, r := range rows {
		block, _ := r.Int("block")
		n = max(n, block)
	}
	return n
}
