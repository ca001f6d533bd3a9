package attack

import (
	"math"
	"math/rand/v2"
	"time"

	"runtimelab/lab"
)

// schedule returns the intended send times of an open loop's hits, in order, as offsets from the
// start of the attack.
//
// Hit k (from 0) is due when the integral of the rate reaches k for constant arrivals. For Poisson
// arrivals it is due when the integral reaches the sum of k+1 unit exponential gaps, which makes a
// Poisson process of any rate by inversion (Çinlar, "Introduction to Stochastic Processes", 1975,
// chapter 4.7). Each time is computed from the sum and never from the time before, so that rounding
// errors do not accumulate.
type schedule struct {
	segments []rateSegment
	gap      func() float64 // returns the next gap between two hits, in hits
	gapSum   float64        // sum of the gaps so far
}

// rateSegment is a stage of the rate, and the hits and the time before it.
type rateSegment struct {
	start      time.Duration
	hitsBefore float64
	rate       float64 // hits per second at its start
	slope      float64 // change of the rate per second
	hits       float64 // hits within it: infinite in the last segment, which does not end
}

// newSchedule returns the schedule of an attack, from its first hit. After the last stage the rate
// stays as it is.
func newSchedule(a lab.Attack) *schedule { return newPartialSchedule(a, 0, 1) }

// newPartialSchedule returns one of several parts of the schedule of an attack, which together are the
// whole. Constant arrivals are dealt out in turn. Poisson arrivals are split by superposition:
// independent Poisson processes of a part of the rate each are together one of the whole rate (Çinlar
// 1975, chapter 4.4).
func newPartialSchedule(a lab.Attack, part, parts int) *schedule {
	s := &schedule{}
	share := 1.0
	if a.Arrivals == lab.Constant {
		s.gapSum = float64(part - parts) // hit 0 is due at once
		s.gap = func() float64 { return float64(parts) }
	} else {
		share = 1 / float64(parts)
		s.gap = rand.New(rand.NewPCG(a.Seed, uint64(part))).ExpFloat64
	}
	var at time.Duration
	sum, rate := 0.0, 0.0
	for _, stage := range a.Rate {
		seconds := stage.Duration.Seconds()
		from, to := share*stage.FromRPS, share*stage.ToRPS
		segment := rateSegment{start: at, hitsBefore: sum, rate: from, hits: (from + to) / 2 * seconds}
		if seconds > 0 {
			segment.slope = (to - from) / seconds
		}
		s.segments = append(s.segments, segment)
		at, sum, rate = at+stage.Duration, sum+segment.hits, to
	}
	s.segments = append(s.segments, rateSegment{start: at, hitsBefore: sum, rate: rate, hits: math.Inf(1)})
	return s
}

// never is the due time of a hit that the rate does not reach.
const never = time.Duration(math.MaxInt64)

// next returns when the next hit is due.
func (s *schedule) next() time.Duration {
	s.gapSum += s.gap()
	for len(s.segments) > 1 && s.gapSum >= s.segments[0].hitsBefore+s.segments[0].hits {
		s.segments = s.segments[1:]
	}
	return s.segments[0].timeAt(s.gapSum)
}

// timeAt returns when the integral of the rate reaches sum, within the segment. It solves x = rate
// t + slope t^2 / 2 in the form that does not cancel and holds for a slope of 0.
func (r rateSegment) timeAt(sum float64) time.Duration {
	x := sum - r.hitsBefore
	if x <= 0 {
		return r.start
	}
	denominator := r.rate + math.Sqrt(max(r.rate*r.rate+2*r.slope*x, 0))
	if denominator == 0 {
		return never
	}
	seconds := 2 * x / denominator
	if seconds > (math.MaxInt64-float64(r.start))/float64(2*time.Second) {
		return never
	}
	return r.start + time.Duration(math.Round(seconds*float64(time.Second)))
}

// countHits returns the number of hits that s has before d. It uses s up.
func countHits(s *schedule, d time.Duration) int64 {
	var n int64
	for s.next() < d {
		n++
	}
	return n
}
