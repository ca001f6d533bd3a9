package stat

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// NoiseModel generates trials of two equal arms for a simulation.
type NoiseModel struct {
	Name  string
	About string
	// OutOfScope marks a model that breaks the method's assumptions: nothing is promised for it.
	OutOfScope bool
	// trials draws the log values of n blocks
	trials func(p recordedNoise, n int, draws *rand.Rand) (a, b []float64)
}

// NoiseModels returns all noise models. In all but the last, noise affects both arms alike. In
// the last, one arm alone has a slow mode. Seven blocks miss such a mode in one run of five, so
// their intervals cannot include it.
func NoiseModels() []NoiseModel {
	return []NoiseModel{
		{"normal", "a normal distribution with the recorded deviation, as theory assumes", false, normal},
		{"as recorded", "the recorded log ratios of blocks, resampled", false, recordedRatios},
		{"trials", "the recorded blocks and the trials in them, resampled separately", false, recordedTrials},
		{"drift", fmt.Sprintf("trials that get %.0f%% slower over the run, in shuffled order within a block",
			100*driftShare), false, drifting},
		{"bimodal", fmt.Sprintf("%.0f%% of the trials of both arms are %.0f%% slower", 100*slowShare,
			100*slowdown), false, bimodal},
		{"heavy tails", fmt.Sprintf("Student's t with %d degrees of freedom and the recorded deviation",
			tailDF), false, heavyTailed},
		{
			"one-sided",
			fmt.Sprintf("%.0f%% of the trials of one arm are %.0f%% slower, at the same mean: a limit, not a promise",
				100*slowShare, 100*slowdown), true, oneSided,
		},
	}
}

const (
	driftShare  = 0.20 // slowdown over a whole run
	blockTrials = 16   // trials of a block, over which the drift goes on
	slowShare   = 0.20 // share of trials in the slow mode
	slowdown    = 0.10 // of a trial in the slow mode
	tailDF      = 3
)

// Outcome says how often the paired analysis decided what, as shares of all draws with one
// noise model and number of blocks.
type Outcome struct {
	NoiseModel string `json:"world"`
	Blocks     int    `json:"blocks"`

	Coverage         float64 `json:"coverage"`          // the 95 % interval held the true ratio
	FalsePositives   float64 `json:"false_positives"`   // equal arms were found to differ, either way
	FalseBeyond      float64 `json:"false_beyond"`      // a ratio at the margin was found beyond it
	FalseEquivalence float64 `json:"false_equivalence"` // a ratio at the margin was found within it
	// Equivalence is the share in which equal arms were found to differ by less than the margin.
	Equivalence float64 `json:"equivalence"`
	Power5      float64 `json:"power_5"`  // a ratio of 1.05 was found above 1
	Power10     float64 `json:"power_10"` // a ratio of 1.10 was found above 1
}

// Simulation checks the paired analysis where the truth is known: it draws runs from recorded
// values of equal arms and analyses each as a claim is. An effect counts as found if a t-test
// at Alpha finds it and the sign-flip test agrees.
type Simulation struct {
	Recorded []PairedValues
	Alpha    float64 // one-sided
	Margin   float64 // 0.05: ratios from 0.95 to 1/0.95 make no difference
	Draws    int     // runs for each noise model and number of blocks
	Seed     uint64
}

// Run returns the outcome of one noise model for runs of the given number of blocks. Equal
// arguments have equal outcomes.
func (s Simulation) Run(model NoiseModel, blocks int) Outcome {
	o := Outcome{NoiseModel: model.Name, Blocks: blocks}
	p := newRecordedNoise(s.Recorded)
	draws := rand.New(rand.NewPCG(s.Seed, uint64(blocks)))
	margin := -math.Log1p(-s.Margin)
	for range s.Draws {
		a, b := model.trials(p, blocks, draws)
		xs := make([]float64, blocks)
		for i := range xs {
			xs[i] = a[i] - b[i]
		}
		found := analysis{xs: xs, effect: PairedEffect(xs), alpha: s.Alpha}
		low, high := found.effect.Interval(s.Alpha)
		countIf(&o.Coverage, low <= 0 && 0 <= high)
		// A true ratio r shifts every log ratio by log r, so only its distance from the limit
		// matters. One draw therefore serves all questions: the limit is shifted instead.
		above := found.above(0)
		countIf(&o.FalsePositives, above || found.below(0))
		countIf(&o.FalseBeyond, above)
		countIf(&o.FalseEquivalence, found.below(0) && found.above(-2*margin))
		countIf(&o.Equivalence, found.below(margin) && found.above(-margin))
		countIf(&o.Power5, found.above(-math.Log(1.05)))
		countIf(&o.Power10, found.above(-math.Log(1.10)))
	}
	for _, share := range []*float64{
		&o.Coverage, &o.FalsePositives, &o.FalseBeyond, &o.FalseEquivalence, &o.Equivalence, &o.Power5, &o.Power10,
	} {
		*share /= float64(s.Draws)
	}
	return o
}

func countIf(count *float64, happened bool) {
	if happened {
		*count++
	}
}

// The coverage of a 95 % interval must lie within these, give or take SamplingTolerance.
const (
	minCoverage = 0.93
	maxCoverage = 0.97
)

// SamplingTolerance returns three standard errors of a share near p, which is how far chance
// may move it with s.Draws draws.
func (s Simulation) SamplingTolerance(p float64) float64 {
	return 3 * math.Sqrt(p*(1-p)/float64(s.Draws))
}

// Violations returns how an outcome breaks the promises of the analysis by more than chance:
// the coverage of intervals is not about 95 %, or errors of both sides together exceed twice
// Alpha.
func (s Simulation) Violations(o Outcome) (violations []string) {
	violate := func(format string, args ...any) { violations = append(violations, fmt.Sprintf(format, args...)) }
	if o.Coverage < minCoverage-s.SamplingTolerance(minCoverage) ||
		o.Coverage > maxCoverage+s.SamplingTolerance(maxCoverage) {
		violate("intervals cover the truth %.1f%% of the time, not %.0f to %.0f%%",
			100*o.Coverage, 100*minCoverage, 100*maxCoverage)
	}
	most := 2 * s.Alpha
	if o.FalsePositives > most+s.SamplingTolerance(most) {
		violate("equal arms are found to differ %.1f%% of the time, more than %.0f%%",
			100*o.FalsePositives, 100*most)
	}
	if errors := o.FalseBeyond + o.FalseEquivalence; errors > most+s.SamplingTolerance(most) {
		violate("a ratio at the margin is found to lie on a side of it %.1f%% of the time, more than %.0f%%",
			100*errors, 100*most)
	}
	return violations
}

// analysis is the paired analysis of one simulated run.
type analysis struct {
	xs     []float64
	effect Effect
	alpha  float64
}

func (a analysis) above(limit float64) bool {
	return a.effect.PAbove(limit) <= a.alpha && SignFlip(a.xs, limit) <= a.alpha
}

func (a analysis) below(limit float64) bool {
	return a.effect.PBelow(limit) <= a.alpha && SignFlipBelow(a.xs, limit) <= a.alpha
}

// recordedNoise holds the noise of a recording, without its means.
type recordedNoise struct {
	ratios []float64 // log ratios of blocks, with mean zero
	blocks []float64 // log of the effect that a block has on both of its trials
	sd     float64   // of ratios
}

// newRecordedNoise centres the recording: the arms are equal, so any mean of their log ratios
// is chance.
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

// recordedTrials draws the effect of a block and of each trial in it.
func recordedTrials(p recordedNoise, n int, draws *rand.Rand) (a, b []float64) {
	return drawBlocks(n, func(int) (a, b float64) {
		block := drawFrom(p.blocks, draws)
		return block + p.drawTrial(draws), block + p.drawTrial(draws)
	})
}

// drifting makes every trial slower than the one before. Both arms have random positions in
// each block.
func drifting(p recordedNoise, n int, draws *rand.Rand) (a, b []float64) {
	return drawBlocks(n, func(i int) (a, b float64) {
		order := draws.Perm(blockTrials)
		slower := func(position int) float64 {
			return math.Log1p(-driftShare * (float64(i) + float64(position)/blockTrials) / float64(n))
		}
		return p.drawTrial(draws) + slower(order[0]), p.drawTrial(draws) + slower(order[1])
	})
}

func bimodal(p recordedNoise, n int, draws *rand.Rand) (a, b []float64) {
	return drawBlocks(n, func(int) (a, b float64) {
		return p.drawTrial(draws) + drawMode(draws), p.drawTrial(draws) + drawMode(draws)
	})
}

// drawMode draws the effect of a trial's mode, slow or not.
func drawMode(draws *rand.Rand) float64 {
	if draws.Float64() < slowShare {
		return math.Log1p(-slowdown)
	}
	return 0
}

func oneSided(p recordedNoise, n int, draws *rand.Rand) (a, b []float64) {
	mean := slowShare * math.Log1p(-slowdown)
	return drawBlocks(n,
		func(int) (a, b float64) { return p.drawTrial(draws) + drawMode(draws) - mean, p.drawTrial(draws) })
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

// drawTrial draws the effect of one trial: it has half the variance of a ratio of two trials,
// and a random sign, because the arms are interchangeable.
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
