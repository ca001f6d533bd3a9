package attack

import (
	"math"
	"testing"
	"time"

	"runtimelab/lab"
)

func TestConstantScheduleDoesNotDrift(t *testing.T) {
	s := &constant{rate: 3} // an interval that no integer of nanoseconds holds
	var last time.Duration
	for range 3*3600 + 1 {
		last = s.next()
	}
	if last != time.Hour {
		t.Errorf("hit 10800 of 3 a second is due at %v, want one hour exactly", last)
	}
}

func TestPoissonScheduleIsSeededAndExponential(t *testing.T) {
	const n = 200_000
	gaps := func(seed uint64) (mean, variance float64, first time.Duration) {
		s := newSchedule(lab.Attack{RateRPS: 1000, Arrivals: lab.Poisson, Seed: seed})
		var last time.Duration
		var sum, squares float64
		for i := range n {
			at := s.next()
			if i == 0 {
				first = at
			}
			gap := (at - last).Seconds()
			sum += gap
			squares += gap * gap
			last = at
		}
		mean = sum / n
		return mean, squares/n - mean*mean, first
	}
	mean, variance, first := gaps(7)
	if math.Abs(mean*1000-1) > 0.02 {
		t.Errorf("mean gap %.6f s at 1000 a second", mean)
	}
	if deviation := math.Sqrt(variance); math.Abs(deviation/mean-1) > 0.02 {
		t.Errorf("gaps deviate by %.3f of their mean; exponential ones do by 1", deviation/mean)
	}
	if _, _, again := gaps(7); again != first {
		t.Error("the same seed gave another schedule")
	}
	if _, _, other := gaps(8); other == first {
		t.Error("another seed gave the same schedule")
	}
}

func TestIntendedCountsTheSchedule(t *testing.T) {
	if got := intended(&constant{rate: 100}, time.Second); got != 100 {
		t.Errorf("%d hits in one second at 100 a second, want 100", got)
	}
}

// A hit that takes very long must still be told when it was due, however many
// others came and went meanwhile.
func TestPacerRemembersASlowHit(t *testing.T) {
	p := newOpenPacer(&constant{rate: 1e6}, time.Second)
	for k := range uint64(5000) {
		p.Pace(0, k)
		if k != 10 {
			p.due(k)
		}
	}
	if got := p.due(10).Sub(p.began); got != 10*time.Microsecond {
		t.Errorf("hit 10 was due at %v, want 10 µs", got)
	}
	if len(p.dues) != 0 {
		t.Errorf("%d hits are remembered after all were asked for", len(p.dues))
	}
}
