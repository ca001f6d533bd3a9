package plan

import (
	"fmt"
	"math"
	"time"

	"runtimelab/lab"
)

// The bounds of a search, in one place.
const (
	// maxSearchSteps is what a search may take before its confirmations, in steps of
	// the usual length: enough from a first rate 64 times too low or too high. A
	// step that has to be longer counts for as many.
	maxSearchSteps = 12

	// Resolution is how near to one another the highest rate that was kept and the
	// lowest that was missed must be for a search to end.
	Resolution = 1.03

	// maxConfirmations is how many rates may be tried at fresh seeds.
	maxConfirmations = 3

	// confirmationSteps is how much longer a confirmation is than a step, and how
	// long a step may get.
	confirmationSteps = 4

	// minStepRequests is what a step must be able to send: of fewer a quantile of
	// 90 % says nothing, and the mean little.
	minStepRequests = 100
)

// confirmationFactors are by how much a rate that was not confirmed is lowered: little at
// first, as the search is mostly near, and then more, as it is not.
var confirmationFactors = [maxConfirmations - 1]float64{0.96, 0.92}

// Search finds the highest rate at which a server keeps its SLO. It holds no
// state: which rate comes next follows from the rates that were tried and what
// became of them, so that the same outcomes give the same search.
//
// From the first rate it doubles until the SLO is missed, or halves until it is
// kept; then it halves the gap, by ratio, to Resolution. Each step is one look at
// a random queue, and what ends highest had luck among its steps: the noisier the
// looks, the more too high (the optimizer's curse: Smith and Winkler, Management
// Science 52(3), 2006). So what the search finds is only a candidate. What is
// reported is what a confirmation shows: a longer look at that one rate, with
// arrivals that no step has seen, as evidence must not be what chose the hypothesis
// (Cox, "A note on data-splitting", Biometrika 62(2), 1975). A rate that is not
// confirmed is lowered and looked at anew, twice at the most. What is left of the
// curse is that of three looks that go down, and a capacity is rather too low than
// too high: of M/M/1 with 20,000 requests to a step by 3 %, on average.
type Search struct {
	firstRPS    float64 // requests per second
	minRequests int     // that a step needs for its objectives to have values
	stepLength  time.Duration
}

// NewSearch is the search of a profile from a first rate. requests is how many a
// step must send for the SLO's objectives to have values; a profile's steps get
// longer for it, up to a bound.
func NewSearch(p lab.Profile, firstRPS float64, requests int) Search {
	return Search{
		firstRPS: firstRPS, minRequests: max(requests, minStepRequests),
		stepLength: searchStepDuration(p),
	}
}

// searchStepDuration is how long a step is where its rate needs no longer one.
func searchStepDuration(p lab.Profile) time.Duration { return max(p.SteadyDuration/8, time.Second) }

// searchDuration is how long a search takes at worst, but for readings.
func searchDuration(p lab.Profile) time.Duration {
	return (maxSearchSteps + maxConfirmations*confirmationSteps) * searchStepDuration(p)
}

// Next is the rate to try after those that were tried, and what for. ok is false
// when the search is over: a capacity is what was confirmed last, if anything was.
func (s Search) Next(tried []lab.SearchStep) (next lab.SearchStep, ok bool) {
	if next, ok := s.explore(tried); ok &&
		s.timeSpent(tried)+s.StepDuration(next) <= maxSearchSteps*s.stepLength {
		return next, true
	}
	return nextConfirmation(tried)
}

// explore is the next step of the search itself.
func (s Search) explore(tried []lab.SearchStep) (next lab.SearchStep, ok bool) {
	if len(tried) == 0 {
		return lab.SearchStep{Stage: lab.Exponential, OfferedRPS: s.firstRPS}, true
	}
	kept, missed := bracket(tried)
	switch {
	case math.IsInf(missed, 1):
		return lab.SearchStep{Stage: lab.Exponential, OfferedRPS: 2 * kept}, true
	case kept == 0:
		// A rate of which nothing could be said is not worth trying.
		return lab.SearchStep{Stage: lab.Exponential, OfferedRPS: missed / 2}, s.canSendEnough(missed / 2)
	case missed > kept*Resolution:
		return lab.SearchStep{Stage: lab.Binary, OfferedRPS: roundTo3Digits(math.Sqrt(kept * missed))}, true
	}
	return next, false
}

// nextConfirmation is the next confirmation: of the highest rate that the search kept, and
// then of a little less each time.
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

// bracket is the highest rate that the search kept, 0 where it kept none, and the
// lowest that it missed, infinite where it missed none.
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

// StepDuration is how long a step is: longer than usual where its rate is too low for its
// objectives to have values, but no longer than a confirmation.
func (s Search) StepDuration(step lab.SearchStep) time.Duration {
	longest := confirmationSteps * s.stepLength
	if isConfirmation(step) || !s.canSendEnough(step.OfferedRPS) {
		return longest
	}
	return max(s.stepLength, time.Duration(s.secondsNeeded(step.OfferedRPS)*float64(time.Second)))
}

// canSendEnough reports whether a step at a rate can send what its objectives need.
func (s Search) canSendEnough(rps float64) bool {
	return s.secondsNeeded(rps) <= confirmationSteps*s.stepLength.Seconds()
}

// secondsNeeded is the seconds in which a rate sends the requests that are needed, almost
// surely: arrivals at random may be fewer than expected, by three standard
// deviations of a Poisson count.
func (s Search) secondsNeeded(rps float64) float64 {
	n := float64(s.minRequests)
	return (n + 3*math.Sqrt(n)) / rps
}

// timeSpent is how long the steps of the search itself took, but for readings.
func (s Search) timeSpent(tried []lab.SearchStep) (sum time.Duration) {
	for _, t := range tried {
		if !isConfirmation(t) {
			sum += s.StepDuration(t)
		}
	}
	return sum
}

// SearchSeed is the seed of a trial's step, from 0: each has arrivals of its own.
func SearchSeed(trial uint64, step int) uint64 {
	return seededSource(trial, "search", fmt.Sprint(step)).Uint64()
}
