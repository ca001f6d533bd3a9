package stat

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// World is how trials come out in a simulation.
type World struct {
	Name   string
	About  string
	Limit  bool                                                   // shows where the analysis ends, and is promised nothing of
	trials func(p past, n int, draws *rand.Rand) (a, b []float64) // log values of n blocks, of arms that do not differ
}

// Worlds are all worlds. Each leaves the true ratio at 1: what comes over a run
// or a trial comes over both arms alike. In the last it comes over one of them: a
// mode that seven blocks do not show at all in one run of five is in no interval
// of theirs.
func Worlds() []World {
	return []World{
		{"normal", "a normal distribution with the recorded deviation: what theory is about", false, normal},
		{"as recorded", "the recorded log ratios of blocks, drawn anew", false, recordedRatios},
		{"trials", "the recorded blocks, and trials in them, drawn apart", false, recordedTrials},
		{"drift", fmt.Sprintf("trials that get %.0f%% slower over the run, in shuffled order within a block", 100*driftShare), false, drifting},
		{"bimodal", fmt.Sprintf("trials of which %.0f%%, of either arm, are %.0f%% slower", 100*slowShare, 100*slowness), false, bimodal},
		{"heavy tails", "Student's t of 3 degrees of freedom with the recorded deviation", false, heavyTailed},
		{"one-sided", fmt.Sprintf("trials of one arm of which %.0f%% are %.0f%% slower, about the same mean: a limit, not a promise", 100*slowShare, 100*slowness), true, oneSided},
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
	World  string `json:"world"`
	Blocks int    `json:"blocks"`

	Coverage         float64 `json:"coverage"`          // the interval of 95 % held the true ratio
	FalsePositives   float64 `json:"false_positives"`   // equal arms were found to differ, either way
	FalseBeyond      float64 `json:"false_beyond"`      // a ratio at the margin was found to lie beyond it
	FalseEquivalence float64 `json:"false_equivalence"` // a ratio at the margin was found to lie within it
	Equivalence      float64 `json:"equivalence"`       // equal arms were found to differ by less than the margin
	Power5           float64 `json:"power_5"`           // a ratio of 1.05 was found to lie above 1
	Power10          float64 `json:"power_10"`          // of 1.10
}

// Simulation asks what the paired analysis is worth where the truth is known: it
// draws runs from what was recorded of arms that do not differ, and analyses them
// as those of a claim are. A finding is one of a t-test at alpha that the
// permutation of signs agrees with.
type Simulation struct {
	Recorded []Twins
	Alpha    float64 // of one side
	Margin   float64 // 0.05: a ratio from 0.95 to 1/0.95 makes no difference
	Draws    int     // runs for each world and number of blocks
	Seed     uint64
}

// Run is the outcome in one world of runs of that many blocks. It depends on
// nothing but s and these two.
func (s Simulation) Run(w World, blocks int) Outcome {
	o := Outcome{World: w.Name, Blocks: blocks}
	p := remember(s.Recorded)
	draws := rand.New(rand.NewPCG(s.Seed, uint64(blocks)))
	margin := -math.Log1p(-s.Margin)
	for range s.Draws {
		a, b := w.trials(p, blocks, draws)
		xs := make([]float64, blocks)
		for i := range xs {
			xs[i] = a[i] - b[i]
		}
		f := findings{xs: xs, effect: Paired(xs), alpha: s.Alpha}
		low, high := f.effect.Interval(s.Alpha)
		count(&o.Coverage, low <= 0 && 0 <= high)
		// A true ratio r shifts every log ratio by log r, so that its distance from
		// the limit is all that matters, and one draw serves for all.
		above := f.above(0)
		count(&o.FalsePositives, above || f.below(0))
		count(&o.FalseBeyond, above)
		count(&o.FalseEquivalence, f.below(0) && f.above(-2*margin))
		count(&o.Equivalence, f.below(margin) && f.above(-margin))
		count(&o.Power5, f.above(-math.Log(1.05)))
		count(&o.Power10, f.above(-math.Log(1.10)))
	}
	for _, share := range []*float64{
		&o.Coverage, &o.FalsePositives, &o.FalseBeyond, &o.FalseEquivalence, &o.Equivalence, &o.Power5, &o.Power10,
	} {
		*share /= float64(s.Draws)
	}
	return o
}

func count(times *float64, happened bool) {
	if happened {
		*times++
	}
}

// Coverage may lie between these; what a simulation says of it is off by Leeway.
const (
	leastCoverage = 0.93
	mostCoverage  = 0.97
)

// Leeway is by how much a share near p may be off for being told from so many
// draws only: three standard errors.
func (s Simulation) Leeway(p float64) float64 {
	return 3 * math.Sqrt(p*(1-p)/float64(s.Draws))
}

// Faults are what of an outcome breaks the promises of the analysis by more than
// chance: an interval that covers more or less than it says, and errors of both
// sides together above twice alpha.
func (s Simulation) Faults(o Outcome) (faults []string) {
	if o.Coverage < leastCoverage-s.Leeway(leastCoverage) || o.Coverage > mostCoverage+s.Leeway(mostCoverage) {
		faults = append(faults, fmt.Sprintf("intervals cover the truth %.1f%% of the time, not %.0f to %.0f%%", 100*o.Coverage, 100*leastCoverage, 100*mostCoverage))
	}
	most := 2 * s.Alpha
	if o.FalsePositives > most+s.Leeway(most) {
		faults = append(faults, fmt.Sprintf("equal arms are found to differ %.1f%% of the time, more than %.0f%%", 100*o.FalsePositives, 100*most))
	}
	if wrong := o.FalseBeyond + o.FalseEquivalence; wrong > most+s.Leeway(most) {
		faults = append(faults, fmt.Sprintf("a ratio at the margin is found to lie on a side of it %.1f%% of the time, more than %.0f%%", 100*wrong, 100*most))
	}
	return faults
}

// findings are what an analysis says of one run.
type findings struct {
	xs     []float64
	effect Effect
	alpha  float64
}

func (f findings) above(limit float64) bool {
	return f.effect.Above(limit) <= f.alpha && SignFlip(f.xs, limit) <= f.alpha
}

func (f findings) below(limit float64) bool {
	if f.effect.Below(limit) > f.alpha {
		return false
	}
	mirrored := make([]float64, len(f.xs))
	for i, x := range f.xs {
		mirrored[i] = -x
	}
	return SignFlip(mirrored, -limit) <= f.alpha
}

// past is what a recording tells of the noise, around a truth of 1.
type past struct {
	ratios []float64 // log ratios of blocks, with a mean of zero
	blocks []float64 // log of what a block did to both of its trials
	sd     float64   // of ratios
}

// remember centres what was recorded: as arms do not differ, any mean of their
// ratios is chance, and the truth is known to be zero without it.
func remember(recorded []Twins) (p past) {
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

func normal(p past, n int, draws *rand.Rand) (a, b []float64) {
	return each(n, func(int) (a, b float64) { return p.sd * draws.NormFloat64(), 0 })
}

func recordedRatios(p past, n int, draws *rand.Rand) (a, b []float64) {
	return each(n, func(int) (a, b float64) { return drawn(p.ratios, draws), 0 })
}

// recordedTrials draws the effect of a block and of each trial in it. That of a
// trial has half the variance of a ratio of two.
func recordedTrials(p past, n int, draws *rand.Rand) (a, b []float64) {
	return each(n, func(int) (a, b float64) {
		block := drawn(p.blocks, draws)
		return block + p.trial(draws), block + p.trial(draws)
	})
}

// drifting has every trial slower than the one before. Both arms come somewhere
// in each block, in shuffled order.
func drifting(p past, n int, draws *rand.Rand) (a, b []float64) {
	return each(n, func(i int) (a, b float64) {
		order := draws.Perm(blockTrials)
		late := func(position int) float64 {
			return math.Log1p(-driftShare * (float64(i) + float64(position)/blockTrials) / float64(n))
		}
		return p.trial(draws) + late(order[0]), p.trial(draws) + late(order[1])
	})
}

func bimodal(p past, n int, draws *rand.Rand) (a, b []float64) {
	return each(n, func(int) (a, b float64) { return p.trial(draws) + mode(draws), p.trial(draws) + mode(draws) })
}

// mode is what a trial's mode does to it.
func mode(draws *rand.Rand) float64 {
	if draws.Float64() < slowShare {
		return math.Log1p(-slowness)
	}
	return 0
}

func oneSided(p past, n int, draws *rand.Rand) (a, b []float64) {
	mean := slowShare * math.Log1p(-slowness)
	return each(n, func(int) (a, b float64) { return p.trial(draws) + mode(draws) - mean, p.trial(draws) })
}

func heavyTailed(p past, n int, draws *rand.Rand) (a, b []float64) {
	return each(n, func(int) (a, b float64) {
		squares := 0.0
		for range tailDF {
			z := draws.NormFloat64()
			squares += z * z
		}
		t := draws.NormFloat64() / math.Sqrt(squares/tailDF)
		return p.sd * t / math.Sqrt(tailDF/(tailDF-2.0)), 0
	})
}

// trial is the effect of one trial, with the sign of a ratio that could as well
// have been the other way round.
func (p past) trial(draws *rand.Rand) float64 {
	effect := drawn(p.ratios, draws) / math.Sqrt2
	if draws.IntN(2) == 0 {
		return -effect
	}
	return effect
}

func drawn(xs []float64, draws *rand.Rand) float64 { return xs[draws.IntN(len(xs))] }

func each(n int, block func(i int) (a, b float64)) (a, b []float64) {
	a, b = make([]float64, n), make([]float64, n)
	for i := range n {
		a[i], b[i] = block(i)
	}
	return a, b
}
