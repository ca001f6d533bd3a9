package attack

import (
	"math"
	"math/rand/v2"
	"time"

	"runtimelab/lab"
)

// schedule gives the intended send time of every hit of an open loop, in order,
// as offsets from the start of the attack.
//
// Hit k (from 0) is due when the rate, summed up over time, reaches k: for
// constant arrivals exactly, for Poisson arrivals at the k-th sum of unit
// exponential gaps, which makes a Poisson process of any rate by inversion
// (Çinlar, "Introduction to Stochastic Processes", 1975, chapter 4.7). Each time
// is computed from the sum and never from the time before, so that rounding
// does not accumulate.
type schedule struct {
	segments []rateSegment
	gap      func() float64 // to the next hit, in hits
	gapSum   float64        // of the gaps so far
}

// rateSegment is a stage with what came before it.
type rateSegment struct {
	begins time.Duration
	sum    float64 // hits before it
	rate   float64 // per second, at its beginning
	slope  float64 // of the rate, per second
	hits   float64 // within it; the last piece goes on for ever
}

func newSchedule(a lab.Attack) *schedule {
	s := &schedule{}
	var at time.Duration
	sum, rate := 0.0, 0.0
	for _, stage := range a.Rate {
		lasts := stage.Duration.Seconds()
		p := rateSegment{begins: at, sum: sum, rate: stage.FromRPS, hits: (stage.FromRPS + stage.ToRPS) / 2 * lasts}
		if lasts > 0 {
			p.slope = (stage.ToRPS - stage.FromRPS) / lasts
		}
		s.segments = append(s.segments, p)
		at, sum, rate = at+stage.Duration, sum+p.hits, stage.ToRPS
	}
	s.segments = append(s.segments, rateSegment{begins: at, sum: sum, rate: rate, hits: math.Inf(1)})
	if a.Arrivals == lab.Constant {
		s.gapSum = -1 // hit 0 is due at once
		s.gap = func() float64 { return 1 }
	} else {
		s.gap = rand.New(rand.NewPCG(a.Seed, 0)).ExpFloat64
	}
	return s
}

// never is when a hit is due that the rate does not reach.
const never = time.Duration(math.MaxInt64)

func (s *schedule) next() time.Duration {
	s.gapSum += s.gap()
	for len(s.segments) > 1 && s.gapSum >= s.segments[0].sum+s.segments[0].hits {
		s.segments = s.segments[1:]
	}
	return s.segments[0].timeAt(s.gapSum)
}

// timeAt is the time at which the summed-up rate reaches sum, within the piece:
// x = rate t + slope t^2 / 2, solved in the form that does not cancel and holds
// for a slope of 0.
func (p rateSegment) timeAt(sum float64) time.Duration {
	x := sum - p.sum
	if x <= 0 {
		return p.begins
	}
	under := p.rate + math.Sqrt(max(p.rate*p.rate+2*p.slope*x, 0))
	if under == 0 {
		return never
	}
	seconds := 2 * x / under
	if seconds > (math.MaxInt64-float64(p.begins))/float64(2*time.Second) {
		return never
	}
	return p.begins + time.Duration(math.Round(seconds*float64(time.Second)))
}

// countHits counts the hits that a schedule calls for before d.
func countHits(s *schedule, d time.Duration) int64 {
	var n int64
	for s.next() < d {
		n++
	}
	return n
}
