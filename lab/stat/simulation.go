package stat

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// NoiseModel is how trials come out in a simulation.
type NoiseModel struct {
	Name  string
	About string
	// shows where the analysis ends, and is promised nothing of
	OutOfScope bool
	// log values of n blocks, of arms that do not differ
	trials func(p recordedNoise, n int, draws *rand.Rand) (a, b []float64)
}

// NoiseModels are all worlds. Each leaves the true ratio at 1: what comes over a run
// or a trial comes over both arms alike. In the last it comes over one of them: a
// mode that seven blocks do not show at all in one run of five is in no interval
// of theirs.
func NoiseModels() []NoiseModel {
	return []NoiseModel{
		{"normal", "a normal distribution with the recorded deviation: what theory is about", false, normal},
		{"as recorded", "the recorded log ratios of blocks, drawn anew", false, recordedRatios},
		{"trials", "the recorded blocks, and trials in them, drawn apart", false, recordedTrials},
		{"drift", fmt.Sprintf("trials that get %.0f%% slower over the run, in shuffled order within a block",
			100*driftShare), false, drifting},
		{"bimodal", fmt.Sprintf("trials of which %.0f%%, of either arm, are %.0f%% slower", 100*slowShare,
			100*slowness), false, bimodal},
		{"heavy tails", "Student's t of 3 degrees of freedom with the recorded deviation", false, heavyTailed},
		{
			"one-sided",
			fmt.Sprintf("trials of one arm of which %.0f%% are %.0f%% slower, about the same mean: a limit, not a "+
				"promise", 100*slowShare, 100*slowness), true, oneSided,
		},
	}
}

const (
	driftShare  = 0.20
	blockTrials = 16 // of a block, between which drift goes on
	slowShare   = 0.20
	slowness    = 0.10
	tailDF      = 3
)

// Outcome is how often the paired analysis of that many blocks did what in a
// world: shares of all draws.
type Outcome struct {
	NoiseModel string `json:"world"`
	Blocks     int    `json:"blocks"`

	Coverage         float64 `json:"coverage"`          // the interval of 95 % held the true ratio
	FalsePositives   float64 `json:"false_positives"`   // equal arms were found to differ, either way
	FalseBeyond      float64 `json:"false_beyond"`      // a ratio at the margin was found to lie beyond it
	FalseEquivalence float64 `json:"false_equivalence"` // a ratio at the margin was found to lie within it
	// equal arms were found to differ by less than the margin
	Equivalence float64 `json:"equivalence"`
	Power5      float64 `json:"power_5"`  // a ratio of 1.05 was found to lie above 1
	Power10     float64 `json:"power_10"` // of 1.10
}

// Simulation asks what the paired analysis is worth where the truth is known: it
// draws runs from what was recorded of arms that do not differ, and analyses them
// as those of a claim are. A finding is one of a t-test at alpha that the
// permutation of signs agrees with.
type Simulation struct {
	Recorded []PairedValues
	Alpha    float64 // of one side
	Margin   float64 // 0.05: a ratio from 0.95 to 1/0.95 makes no difference
	Draws    int     // runs for each world and number of blocks
	Seed     uint64
}

// Run is the outcome in one world of runs of that many blocks. It depends on
// nothing but s and these two.
func (s Simulation) Run(w NoiseModel, blocks int) Outcome {
	o := Outcome{NoiseModel: w.Name, Blocks: blocks}
	p := newRecordedNoise(s.Recorded)
	draws := rand.New(rand.NewPCG(s.Seed, uint64(blocks)))
	margin := -math.Log1p(-s.Margin)
	for range s.Draws {
		a, b := w.trials(p, blocks, draws)
		xs := make([]float64, blocks)
		for i := range xs {
			xs[i] = a[i] - b[i]
		}
		f := analysis{xs: xs, effect: PairedEffect(xs), alpha: s.Alpha}
		low, high := f.effect.Interval(s.Alpha)
		countIf(&o.Coverage, low <= 0 && 0 <= high)
		// A true ratio r shifts every log ratio by log r, so that its distance from
		// the limit is all that matters, and one draw serves for all.
		above := f.foundAbove(0)
		countIf(&o.FalsePositives, above || f.foundBelow(0))
		countIf(&o.FalseBeyond, above)
		countIf(&o.FalseEquivalence, f.foundBelow(0) && f.foundAbove(-2*margin))
		countIf(&o.Equivalence, f.foundBelow(margin) && f.foundAbove(-margin))
		countIf(&o.Power5, f.foundAbove(-math.Log(1.05)))
		countIf(&o.Power10, f.foundAbove(-math.Log(1.10)))
	}
	for _, share := range []*float64{
		&o.Coverage, &o.FalsePositives, &o.FalseBeyond, &o.FalseEquivalence, &o.Equivalence, &o.Power5, &o.Power10,
	} {
		*share /= float64(s.Draws)
	}
	return o
}

func countIf(times *float64, happened bool) {
	if happened {
		*times++
	}
}

// Coverage may lie between these; what a simulation says of it is off by Leeway.
const (
	minCoverage = 0.93
	maxCoverage = 0.97
)

// SamplingTolerance is by how much a share near p may be off for being told from so many
// draws only: three standard errors.
func (s Simulation) SamplingTolerance(p float64) float64 {
	return 3 * math.Sqrt(p*(1-p)/float64(s.Draws))
}

// Violations are what of an outcome breaks the promises of the analysis by more than
// chance: an interval that covers more or less than it says, and errors of both
// sides together above twice alpha.
func (s Simulation) Violations(o Outcome) (faults []string) {
	if o.Coverage < minCoverage-s.SamplingTolerance(minCoverage) ||
		o.Coverage > maxCoverage+s.SamplingTolerance(maxCoverage) {
		faults = append(faults, fmt.Sprintf("intervals cover the truth %.1f%% of the time, not %.0f to %.0f%%",
			100*o.Coverage, 100*minCoverage, 100*maxCoverage))
	}
	most := 2 * s.Alpha
	if o.FalsePositives > most+s.SamplingTolerance(most) {
		faults = append(faults, fmt.Sprintf("equal arms are found to differ %.1f%% of the time, more than %.0f%%",
			100*o.FalsePositives, 100*most))
	}
	if wrong := o.FalseBeyond + o.FalseEquivalence; wrong > most+s.SamplingTolerance(most) {
		faults = append(faults,
			fmt.Sprintf("a ratio at the margin is found to lie on a side of it %.1f%% of the time, more than %.0f%%",
				100*wrong, 100*most))
	}
	return faults
}

// analysis are what an analysis says of one run.
type analysis struct {
	xs     []float64
	effect Effect
	alpha  float64
}

func (f analysis) foundAbove(limit float64) bool {
	return f.effect.PAbove(limit) <= f.alpha && SignFlip(f.xs, limit) <= f.alpha
}

func (f analysis) foundBelow(limit float64) bool {
	if f.effect.PBelow(limit) > f.alpha {
		return false
	}
	mirrored := make([]float64, len(f.xs))
	for i, x := range f.xs {
		mirrored[i] = -x
	}
	return SignFlip(mirrored, -limit) <= f.alpha
}

// recordedNoise is what a recording tells of the noise, around a truth of 1.
type recordedNoise struct {
	ratios []float64 // log ratios of blocks, with a mean of zero
	blocks []float64 // log of what a block did to both of its trials
	sd     float64   // of ratios
}

// newRecordedNoise centres what was recorded: as arms do not differ, any mean of their
// ratios is chance, and the truth is known to be zero without it.
func newRecordedNoise(recorded []PairedValues) (p recordedNoise) {
	var all Moments
	for _, t := range recorded {
		var middle Moments
		for i := range t.A {
			a, b := math.Log(t.A[i]), math.Log(t.B[i])
			p.ratios = append(p.ratios, a-b)
			all.Add(a - b)
			middle.Add((a + b) / 2)
		}
		for i := range t.A {
			p.blocks = append(p.blocks, (math.Log(t.A[i])+math.Log(t.B[i]))/2-middle.Mean)
		}
	}
	for i := range p.ratios {
		p.ratios[i] -= all.Mean
	}
	p.sd = all.SD()
	return p
}

func normal(p recordedNoise, n int, draws *rand.Rand) (a, b []float64) {
	return drawBlocks(n, func(int) (a, b float64) { return p.sd * draws.NormFloat64(), 0 })
}

func recordedRatios(p recordedNoise, n int, draws *rand.Rand) (a, b []float64) {
	return drawBlocks(n, func(int) (a, b float64) { return drawFrom(p.ratios, draws), 0 })
}

// recordedTrials draws the effect of a block and of each trial in it. That of a
// trial has half the variance of a ratio of two.
func recordedTrials(p recordedNoise, n int, draws *rand.Rand) (a, b []float64) {
	return drawBlocks(n, func(int) (a, b float64) {
		block := drawFrom(p.blocks, draws)
		return block + p.drawTrial(draws), block + p.drawTrial(draws)
	})
}

// drifting has every trial slower than the one before. Both arms come somewhere
// in each block, in shuffled order.
func drifting(p recordedNoise, n int, draws *rand.Rand) (a, b []float64) {
	return drawBlocks(n, func(i int) (a, b float64) {
		order := draws.Perm(blockTrials)
		late := func(position int) float64 {
			return math.Log1p(-driftShare * (float64(i) + float64(position)/blockTrials) / float64(n))
		}
		return p.drawTrial(draws) + late(order[0]), p.drawTrial(draws) + late(order[1])
	})
}

func bimodal(p recordedNoise, n int, draws *rand.Rand) (a, b []float64) {
	return drawBlocks(n, func(int) (a, b float64) {
		return p.drawTrial(draws) + modeShift(draws), p.drawTrial(draws) + modeShift(draws)
	})
}

// modeShift is what a trial's mode does to it.
func modeShift(draws *rand.Rand) float64 {
	if draws.Float64() < slowShare {
		return math.Log1p(-slowness)
	}
	return 0
}

func oneSided(p recordedNoise, n int, draws *rand.Rand) (a, b []float64) {
	mean := slowShare * math.Log1p(-slowness)
	return drawBlocks(n,
		func(int) (a, b float64) { return p.drawTrial(draws) + modeShift(draws) - mean, p.drawTrial(draws) })
}

func heavyTailed(p recordedNoise, n int, draws *rand.Rand) (a, b []float64) {
	return drawBlocks(n, func(int) (a, b float64) {
		squares := 0.0
		for range tailDF {
			z := draws.NormFloat64()
			squares += z * z
		}
		t := draws.NormFloat64() / math.Sqrt(squares/tailDF)
		return p.sd * t / math.Sqrt(tailDF/(tailDF-2.0)), 0
	})
}

// drawTrial is the effect of one trial, with the sign of a ratio that could as well
// have been the other way round.
func (p recordedNoise) drawTrial(draws *rand.Rand) float64 {
	effect := drawFrom(p.ratios, draws) / math.Sqrt2
	if draws.IntN(2) == 0 {
		return -effect
	}
	return effect
}

func drawFrom(xs []float64, draws *rand.Rand) float64 { return xs[draws.IntN(len(xs))] }

func drawBlocks(n int, block func(i int) (a, b float64)) (a, b []float64) {
	a, b = make([]float64, n), make([]float64, n)
	for i := range n {
		a[i], b[i] = block(i)
	}
	return a, b
}
