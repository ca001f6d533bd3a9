package attack

import (
	"math"
	"testing"
	"time"

	"runtimelab/lab"
)

func TestConstantScheduleDoesNotDrift(t *testing.T) {
	// the interval is no whole number of nanoseconds
	s := newSchedule(lab.Attack{Arrivals: lab.Constant, Rate: constantRate(3)})
	var last time.Duration
	for range 3*3600 + 1 {
		last = s.next()
	}
	if last != time.Hour {
		t.Errorf("hit 10800 of 3 a second is due at %v, want one hour exactly", last)
	}
}

func TestConstantScheduleBeginsAtOnce(t *testing.T) {
	if got := newSchedule(lab.Attack{Arrivals: lab.Constant, Rate: constantRate(3)}).next(); got != 0 {
		t.Errorf("hit 0 is due at %v", got)
	}
}

func TestPoissonScheduleIsSeededAndExponential(t *testing.T) {
	const n = 200_000
	gaps := func(seed uint64) (mean, variance float64, first time.Duration) {
		s := newSchedule(lab.Attack{Rate: constantRate(1000), Arrivals: lab.Poisson, Seed: seed})
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
		t.Errorf("the gaps' standard deviation is %.3f of their mean, want 1 for exponential gaps", deviation/mean)
	}
	if _, _, again := gaps(7); again != first {
		t.Error("the same seed gave another schedule")
	}
	if _, _, other := gaps(8); other == first {
		t.Error("another seed gave the same schedule")
	}
}

// The number of hits before t is the integral of the rate up to t, whatever the rate does.
func TestScheduleFollowsItsRate(t *testing.T) {
	stages := []lab.Stage{
		{FromRPS: 0, ToRPS: 1000, Duration: 10 * time.Second},   // ramp up: 5000
		{FromRPS: 1000, ToRPS: 1000, Duration: 5 * time.Second}, // step: 5000
		{FromRPS: 400, ToRPS: 400, Duration: 5 * time.Second},   // step down: 2000
		{FromRPS: 400, ToRPS: 0, Duration: 10 * time.Second},    // ramp down: 2000
	}
	// Integrals of the rate, by hand.
	want := map[time.Duration]float64{
		2 * time.Second: 200, 10 * time.Second: 5000, 12 * time.Second: 7000, 15 * time.Second: 10_000,
		17500 * time.Millisecond: 11_000, 20 * time.Second: 12_000, 25 * time.Second: 13_500,
		30 * time.Second: 14_000,
	}
	for at, sum := range want {
		constant := countHits(newSchedule(lab.Attack{Arrivals: lab.Constant, Rate: stages}), at)
		if constant != int64(sum) {
			t.Errorf("constant arrivals: %d hits before %v, want %.0f", constant, at, sum)
		}
		poisson := countHits(newSchedule(lab.Attack{Arrivals: lab.Poisson, Rate: stages, Seed: 3}), at)
		if math.Abs(float64(poisson)-sum) > 5*math.Sqrt(sum) { // five standard deviations
			t.Errorf("Poisson arrivals: %d hits before %v, want about %.0f", poisson, at, sum)
		}
	}
}

func TestScheduleNeverGoesBack(t *testing.T) {
	s := newSchedule(lab.Attack{Arrivals: lab.Constant, Rate: []lab.Stage{
		{FromRPS: 100, ToRPS: 0, Duration: time.Second},
		{FromRPS: 0, ToRPS: 0, Duration: time.Second},
		{FromRPS: 0, ToRPS: 500, Duration: time.Second},
		{FromRPS: 500, ToRPS: 0, Duration: time.Second},
	}})
	last := time.Duration(-1)
	for {
		at := s.next()
		if at < last {
			t.Fatalf("a hit is due at %v, after one at %v", at, last)
		}
		if at > time.Second && at < 2*time.Second {
			t.Errorf("a hit is due at %v, in a second whose rate is 0", at)
		}
		if last = at; at == never {
			return // the rate has ended at 0
		}
	}
}
