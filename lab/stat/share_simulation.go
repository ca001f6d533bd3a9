package stat

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// ShareModel generates successes for a simulation.
type ShareModel struct {
	Name  string
	About string
	// OutOfScope marks a model that breaks the method's assumption: nothing is promised for it.
	OutOfScope bool
	// successes draws how many of n trials succeed, if a share of all trials does
	successes func(share float64, n int, draws *rand.Rand) int
}

// runOfFailures is how many trials in a row fail together in the model of clustered failures.
const runOfFailures = 4

// ShareModels returns all models. In the last, failures come together: a run then sees none of
// them, or many.
func ShareModels() []ShareModel {
	return []ShareModel{
		{"independent", "each trial succeeds or fails by itself, as theory assumes", false, independentTrials},
		{
			"clustered",
			fmt.Sprintf("%d trials in a row fail together: a limit, not a promise", runOfFailures),
			true, clusteredTrials,
		},
	}
}

func independentTrials(share float64, n int, draws *rand.Rand) (successes int) {
	for range n {
		if draws.Float64() < share {
			successes++
		}
	}
	return successes
}

// clusteredTrials draws for each trial whether a run of failures begins there, so often that a share
// of all trials succeeds: a trial succeeds if no run began in the last runOfFailures trials.
func clusteredTrials(share float64, n int, draws *rand.Rand) (successes int) {
	quiet := math.Pow(share, 1.0/runOfFailures)
	failing := 0
	for i := range n + runOfFailures - 1 {
		if failing = max(0, failing-1); draws.Float64() >= quiet {
			failing = runOfFailures
		}
		if i >= runOfFailures-1 && failing == 0 {
			successes++
		}
	}
	return successes
}

// ShareOutcome says how often runs of trials, of which a share succeeds, showed what.
type ShareOutcome struct {
	Model  string  `json:"world"`
	Trials int     `json:"trials"`
	Share  float64 `json:"share"` // of all trials that succeed
	// AllSucceeded is the share of runs in which every trial succeeded.
	AllSucceeded float64 `json:"all_succeeded"`
	// TooSure is the share of runs whose lower limit of the share was above the true one.
	TooSure float64 `json:"too_sure"`
}

// RunShare returns the outcome of runs of n trials, of which a share succeeds, and of their lower
// limits at the one-sided level 1 - alpha. Equal arguments have equal outcomes.
func (s Simulation) RunShare(model ShareModel, share float64, n int, alpha float64) ShareOutcome {
	o := ShareOutcome{Model: model.Name, Trials: n, Share: share}
	draws := rand.New(rand.NewPCG(s.Seed, math.Float64bits(share)+uint64(n)))
	limits := make([]float64, n+1)
	for k := range limits {
		limits[k] = ShareAtLeast(k, n, alpha)
	}
	for range s.Draws {
		k := model.successes(share, n, draws)
		countIf(&o.AllSucceeded, k == n)
		countIf(&o.TooSure, limits[k] > share)
	}
	o.AllSucceeded /= float64(s.Draws)
	o.TooSure /= float64(s.Draws)
	return o
}

// ShareViolations returns how an outcome breaks the level of the lower limit by more than chance.
func (s Simulation) ShareViolations(o ShareOutcome, alpha float64) (violations []string) {
	if o.TooSure > alpha+s.SamplingTolerance(alpha) {
		violations = append(violations, fmt.Sprintf(
			"the lower limit of the share lies above the true %.0f%% in %.1f%% of the runs, more than %.0f%%",
			100*o.Share, 100*o.TooSure, 100*alpha))
	}
	return violations
}
