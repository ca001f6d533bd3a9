package plan_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"runtimelab/lab"
	"runtimelab/lab/plan"
)

// The server of these tests is M/M/1, first come first served: the time that a
// request spends in it is exponential of rate mu - lambda (Kleinrock, "Queueing
// Systems" 1, 1975, chapter 3.2), so that its 99th percentile is
// ln(100) / (mu - lambda), and the rate at which that reaches a limit is known.
const (
	mu           = 10_000.0
	trueCapacity = 8000.0
)

var limit = math.Log(100) / (mu - trueCapacity) // seconds

// keeps reports whether the 99th percentile that an open loop of Poisson arrivals
// sees of such a server, idle at first, lies below the limit (by Lindley's
// recursion).
func keeps(rate float64, lasts time.Duration, seed uint64) bool {
	random := rand.New(rand.NewPCG(seed, 0))
	wait, all, above := 0.0, 0, 0
	for at := random.ExpFloat64() / rate; at < lasts.Seconds(); all++ {
		spent := wait + random.ExpFloat64()/mu
		if spent >= limit {
			above++
		}
		gap := random.ExpFloat64() / rate
		wait, at = max(spent-gap, 0), at+gap
	}
	return above < all/100
}

// searched is a whole search, each step of which is judged by met.
func searched(s plan.Search,
	met func(step lab.SearchStep, n int) (met bool, limit string),
) (tried []lab.SearchStep) {
	for {
		step, more := s.Next(tried)
		if !more {
			return tried
		}
		step.SLOMet, step.InstrumentLimit = met(step, len(tried))
		tried = append(tried, step)
	}
}

// confirmed is the rate that a search confirmed.
func confirmed(tried []lab.SearchStep) (rps float64) {
	for _, t := range tried {
		if t.Stage == lab.Confirmation && t.SLOMet {
			rps = t.OfferedRPS
		}
	}
	return rps
}

// uniformBelow is a server that keeps its SLO up to a rate.
func uniformBelow(capacity float64) func(lab.SearchStep, int) (bool, string) {
	return func(step lab.SearchStep, _ int) (bool, string) { return step.OfferedRPS <= capacity, "" }
}

func rates(tried []lab.SearchStep) (all []string) {
	for _, t := range tried {
		all = append(all, fmt.Sprintf("%.4s %g %v", t.Stage, t.OfferedRPS, t.SLOMet))
	}
	return all
}

func TestASearchFindsAKnownCapacity(t *testing.T) {
	const seeds = 200
	near, high, sum := 0, 0, 0.0
	for seed := range uint64(seeds) {
		s := plan.NewSearch(profile(t, "full"), 1000, 1000)
		found := confirmed(searched(s, func(step lab.SearchStep, n int) (bool, string) {
			return keeps(step.OfferedRPS, s.StepDuration(step), plan.SearchSeed(seed, n)), ""
		}))
		sum += found / trueCapacity / seeds
		if math.Abs(found/trueCapacity-1) <= 0.05 {
			near++
		}
		if found > trueCapacity*1.03 {
			high++
		}
	}
	t.Logf("of %d searches %d end within 5 %% of the capacity, %d more than 3 %% above it, on average at %.3f "+
		"of it", seeds, near, high, sum)
	if near < seeds*17/20 || high > seeds/20 {
		t.Errorf("of %d searches %d end within 5 %% of the capacity, %d more than 3 %% above it", seeds, near, high)
	}
}

// The order in which rates are tried is written down, as it is what a run's
// record is of.
func TestASearchDoublesHalvesTheGapAndConfirms(t *testing.T) {
	for _, c := range []struct {
		name string
		met  func(lab.SearchStep, int) (bool, string)
		want []string
	}{
		{"upwards", uniformBelow(4300), []string{
			"expo 1000 true", "expo 2000 true", "expo 4000 true", "expo 8000 false",
			"bina 5660 false", "bina 4760 false", "bina 4360 false", "bina 4180 true", "bina 4270 true", "conf 4270 true",
		}},
		{"downwards", uniformBelow(300), []string{
			"expo 1000 false", "expo 500 false", "expo 250 true",
			"bina 354 false", "bina 297 true", "bina 324 false", "bina 310 false", "bina 303 false", "conf 297 true",
		}},
		{
			"a confirmation that fails steps down, and the third is the last",
			func(step lab.SearchStep, _ int) (bool, string) {
				return step.OfferedRPS <= 1500 && step.Stage != lab.Confirmation, ""
			},
			[]string{
				"expo 1000 true", "expo 2000 false", "bina 1410 true", "bina 1680 false", "bina 1540 false", "bina 1470 true", "bina 1500 true",
				"conf 1500 false", "conf 1440 false", "conf 1320 false",
			},
		},
		{"the second confirmation holds", func(step lab.SearchStep, _ int) (bool, string) {
			return step.OfferedRPS <= 1500 && (step.Stage != lab.Confirmation || step.OfferedRPS < 1450), ""
		}, []string{
			"expo 1000 true", "expo 2000 false", "bina 1410 true", "bina 1680 false", "bina 1540 false", "bina 1470 true", "bina 1500 true",
			"conf 1500 false", "conf 1440 true",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := rates(searched(plan.NewSearch(profile(t, "full"), 1000, 100), c.met)); !slices.Equal(got,
				c.want) {
				t.Errorf("tried\n%q, want\n%q", got, c.want)
			}
		})
	}
}

func TestASearchThatKeepsNothingEnds(t *testing.T) {
	never := uniformBelow(0)
	tried := searched(plan.NewSearch(profile(t, "full"), 1000, 1000), never)
	if last := tried[len(tried)-1]; last.Stage != lab.Exponential || confirmed(tried) != 0 {
		t.Errorf("nothing was kept, and it tried %q", rates(tried))
	}
	// 1,095 requests take 10 s at 109.5 a second: half of 125 is too few.
	if got := tried[len(tried)-1].OfferedRPS; got != 125 {
		t.Errorf("the lowest rate of which a 99th percentile could be said is 125 of those halved, and it tried %q",
			rates(tried))
	}
	tried = searched(plan.NewSearch(profile(t, "full"), 50, 1000), never)
	if len(tried) != 1 {
		t.Errorf("a first rate that is too low for a 99th percentile, and it went on: %q", rates(tried))
	}
}

func TestASearchThatMissesNothingEnds(t *testing.T) {
	tried := searched(plan.NewSearch(profile(t, "full"), 1, 100), uniformBelow(math.Inf(1)))
	last := tried[len(tried)-1]
	if last.Stage != lab.Confirmation || last.OfferedRPS != tried[len(tried)-2].OfferedRPS {
		t.Errorf("everything was kept, and it tried %q", rates(tried))
	}
}

func TestAStepIsLongEnoughForItsObjectives(t *testing.T) {
	s := plan.NewSearch(profile(t, "full"), 1000, 1000)
	for _, c := range []struct {
		step lab.SearchStep
		want time.Duration
	}{
		{lab.SearchStep{OfferedRPS: 5000}, 2500 * time.Millisecond},
		{lab.SearchStep{OfferedRPS: 219}, 5 * time.Second}, // 1,000 and three times its root
		{lab.SearchStep{OfferedRPS: 1}, 10 * time.Second},
		{lab.SearchStep{OfferedRPS: 1e-300}, 10 * time.Second},
		{lab.SearchStep{OfferedRPS: 5000, Stage: lab.Confirmation}, 10 * time.Second},
	} {
		if got := s.StepDuration(c.step).Round(10 * time.Millisecond); got != c.want {
			t.Errorf("%+v lasts %v, want %v", c.step, got, c.want)
		}
	}
}

// Whatever becomes of its steps, a search ends within its bound, confirms only
// what it kept or less, and reports only what it confirmed.
func TestSearchProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(lab.ProfileNames()).Draw(t, "profile")
		p, err := plan.ProfileByName(name)
		if err != nil {
			t.Fatal(err)
		}
		s := plan.NewSearch(p, rapid.Float64Range(0.01, 1e6).Draw(t, "first"),
			rapid.IntRange(0, 10_000).Draw(t, "requests"))
		tried := searched(s, func(lab.SearchStep, int) (bool, string) { return rapid.Bool().Draw(t, "met"), "" })
		var took time.Duration
		highest, confirming := 0.0, false
		for i, step := range tried {
			took += s.StepDuration(step)
			if again, more := s.Next(tried[:i]); !more || again.OfferedRPS != step.OfferedRPS ||
				again.Stage != step.Stage {
				t.Fatalf("step %d is %+v, and asked again %+v", i, step, again)
			}
			switch {
			case step.OfferedRPS <= 0:
				t.Fatalf("step %d at %v/s", i, step.OfferedRPS)
			case step.Stage == lab.Confirmation && step.OfferedRPS > highest:
				t.Fatalf("%v/s is to be confirmed, and at most %v/s was kept", step.OfferedRPS, highest)
			case step.Stage != lab.Confirmation && confirming:
				t.Fatal("a search went on after a confirmation")
			case step.Stage != lab.Confirmation && step.SLOMet:
				highest = max(highest, step.OfferedRPS)
			}
			confirming = confirming || step.Stage == lab.Confirmation
		}
		if most := plan.PhaseDuration(p, lab.Capacity); took > most {
			t.Fatalf("took %v of at most %v", took, most)
		}
		if (highest > 0) != confirming {
			t.Fatalf("at most %v/s was kept, and confirmed: %v", highest, confirming)
		}
	})
}

func TestEveryStepHasASeedOfItsOwn(t *testing.T) {
	seen := map[uint64]bool{}
	for trial := range uint64(100) {
		for step := range 16 {
			seen[plan.SearchSeed(trial, step)] = true
		}
	}
	if len(seen) != 1600 {
		t.Errorf("%d seeds of 1,600 steps", len(seen))
	}
}
