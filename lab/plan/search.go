package plan

import (
	"fmt"
	"math"
	"time"

	"runtimelab/lab"
)

// The bounds of a search.
const (
	// maxSearchSteps is the time of a search before its confirmations, in steps of the
	// usual length: enough for a first rate 64 times too low or too high. A longer step
	// counts as several.
	maxSearchSteps = 12

	// Resolution ends a search: the ratio of the lowest missed rate to the highest kept one.
	Resolution = 1.03

	// maxConfirmations is how many rates a search may confirm.
	maxConfirmations = 3

	// confirmationSteps is the length of a confirmation, and the largest length of a step,
	// in steps of the usual length.
	confirmationSteps = 4

	// minStepRequests is the smallest number of requests of a step. With fewer a 90 %
	// quantile has no value and the mean is too noisy.
	minStepRequests = 100
)

// confirmationFactors lower a rate that was not confirmed: a little at first, because the
// search is usually close, and then more.
var confirmationFactors = [maxConfirmations - 1]float64{0.96, 0.92}

// Search finds the highest rate at which a server keeps its SLO. It holds no state: the
// next rate follows from the steps so far, so the same outcomes give the same search.
//
// It doubles the first rate until the SLO is missed, or halves it until the SLO is kept.
// Then it takes the geometric mean of the highest kept and the lowest missed rate, until
// their ratio is at most Resolution.
//
// Each step is a noisy sample, so the highest kept rate is biased upwards (the optimizer's
// curse: Smith and Winkler, Management Science 52(3), 2006). It is only a candidate. A
// longer confirmation with fresh arrivals decides, because evidence must not be what
// chose the hypothesis (Cox, "A note on data-splitting", Biometrika 62(2), 1975).
//
// A rate that is not confirmed is lowered and confirmed again, twice at most. The
// remaining bias is downwards: 3 % on average for M/M/1 with 20,000 requests per step.
type Search struct {
	firstRPS    float64 // requests per second
	minRequests int     // requests of a step that its objectives need to have values
	stepLength  time.Duration
}

// NewSearch returns a search that starts at firstRPS. requests is the number of requests
// that a step must send for the SLO's objectives to have values. Steps are longer than
// usual if they need it, up to confirmationSteps.
func NewSearch(p lab.Profile, firstRPS float64, requests int) Search {
	return Search{
		firstRPS: firstRPS, minRequests: max(requests, minStepRequests),
		stepLength: searchStepDuration(p),
	}
}

// searchStepDuration returns the usual duration of a step.
func searchStepDuration(p lab.Profile) time.Duration { return max(p.SteadyDuration/8, time.Second) }

// searchDuration returns the longest duration of a search, without readings.
func searchDuration(p lab.Profile) time.Duration {
	return (maxSearchSteps + maxConfirmations*confirmationSteps) * searchStepDuration(p)
}

// Next returns the next step after those in tried. ok is false when the search is over. The
// capacity is then the confirmed rate, if there is one.
func (s Search) Next(tried []lab.SearchStep) (next lab.SearchStep, ok bool) {
	if next, ok := s.explore(tried); ok &&
		s.timeSpent(tried)+s.StepDuration(next) <= maxSearchSteps*s.stepLength {
		return next, true
	}
	return nextConfirmation(tried)
}

// explore returns the next step before the confirmations.
func (s Search) explore(tried []lab.SearchStep) (next lab.SearchStep, ok bool) {
	if len(tried) == 0 {
		return lab.SearchStep{Stage: lab.Exponential, OfferedRPS: s.firstRPS}, true
	}
	kept, missed := bracket(tried)
	switch {
	case math.IsInf(missed, 1):
		return lab.SearchStep{Stage: lab.Exponential, OfferedRPS: 2 * kept}, true
	case kept == 0:
		// Do not try a rate at which no step is long enough.
		return lab.SearchStep{Stage: lab.Exponential, OfferedRPS: missed / 2}, s.canSendEnough(missed / 2)
	case missed > kept*Resolution:
		return lab.SearchStep{Stage: lab.Binary, OfferedRPS: roundTo3Digits(math.Sqrt(kept * missed))}, true
	}
	return next, false
}

// nextConfirmation returns the next confirmation: of the highest kept rate, and then of a
// lower rate each time.
func nextConfirmation(tried []lab.SearchStep) (next lab.SearchStep, ok bool) {
	next = lab.SearchStep{Stage: lab.Confirmation}
	n := 0
	for _, t := range tried {
		if !isConfirmation(t) {
			continue
		}
		if t.SLOMet || n == len(confirmationFactors) {
			return next, false
		}
		next.OfferedRPS = roundTo3Digits(t.OfferedRPS * confirmationFactors[n])
		n++
	}
	if n == 0 {
		next.OfferedRPS, _ = bracket(tried)
	}
	return next, next.OfferedRPS > 0
}

func isConfirmation(t lab.SearchStep) bool { return t.Stage == lab.Confirmation }

// bracket returns the highest rate at which a step kept the SLO, or 0, and the lowest at
// which one missed it, or infinity.
func bracket(tried []lab.SearchStep) (kept, missed float64) {
	missed = math.Inf(1)
	for _, t := range tried {
		switch {
		case isConfirmation(t):
		case t.SLOMet:
			kept = max(kept, t.OfferedRPS)
		default:
			missed = min(missed, t.OfferedRPS)
		}
	}
	return kept, missed
}

// StepDuration returns the duration of a step. It is longer than usual if the rate is so
// low that the objectives would have no values, but no longer than a confirmation.
func (s Search) StepDuration(step lab.SearchStep) time.Duration {
	longest := confirmationSteps * s.stepLength
	if isConfirmation(step) || !s.canSendEnough(step.OfferedRPS) {
		return longest
	}
	return max(s.stepLength, time.Duration(s.secondsNeeded(step.OfferedRPS)*float64(time.Second)))
}

// canSendEnough reports whether a step at a rate can send the requests that its objectives
// need.
func (s Search) canSendEnough(rps float64) bool {
	return s.secondsNeeded(rps) <= confirmationSteps*s.stepLength.Seconds()
}

// secondsNeeded returns how many seconds a rate needs to send enough requests, with three
// standard deviations of a Poisson count as reserve.
func (s Search) secondsNeeded(rps float64) float64 {
	n := float64(s.minRequests)
	return (n + 3*math.Sqrt(n)) / rps
}

// timeSpent returns the duration of the steps before the confirmations, without readings.
func (s Search) timeSpent(tried []lab.SearchStep) (sum time.Duration) {
	for _, t := range tried {
		if !isConfirmation(t) {
			sum += s.StepDuration(t)
		}
	}
	return sum
}

// SearchSeed returns the seed of a trial's step, which counts from 0. Each step has its own
// arrivals.
func SearchSeed(trial uint64, step int) uint64 {
	return seededSource(trial, "search", fmt.Sprint(step)).Uint64()
}
