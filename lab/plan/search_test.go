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

// The server of these tests is M/M/1, first come first served. A request's time in it is
// exponential with rate mu - lambda (Kleinrock, "Queueing Systems" 1, 1975, chapter 3.2),
// so its 99th percentile is ln(100) / (mu - lambda). The rate at which that reaches a
// limit is known.
const (
	mu           = 10_000.0
	trueCapacity = 8000.0
)

var limit = math.Log(100) / (mu - trueCapacity) // seconds

// keepsSLO reports whether the 99th percentile of an open loop of Poisson arrivals at such
// a server, idle at first, lies below the limit (by Lindley's recursion).
func keepsSLO(rate float64, lasts time.Duration, seed uint64) bool {
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

// runSearch runs a whole search. met judges each step.
func runSearch(
	s plan.Search, met func(step lab.SearchStep, n int) (met bool, limit string),
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

// confirmedRate returns the rate that a search confirmed, or 0.
func confirmedRate(tried []lab.SearchStep) (rps float64) {
	for _, t := range tried {
		if t.Stage == lab.Confirmation && t.SLOMet {
			rps = t.OfferedRPS
		}
	}
	return rps
}

// keepsUpTo returns the judge of a server that keeps its SLO up to a rate.
func keepsUpTo(capacity float64) func(lab.SearchStep, int) (bool, string) {
	return func(step lab.SearchStep, _ int) (bool, string) { return step.OfferedRPS <= capacity, "" }
}

// describeSteps returns each step as "stage rate kept".
func describeSteps(tried []lab.SearchStep) (all []string) {
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
		found := confirmedRate(runSearch(s, func(step lab.SearchStep, n int) (bool, string) {
			return keepsSLO(step.OfferedRPS, s.StepDuration(step), plan.SearchSeed(seed, n)), ""
		}))
		sum += found / trueCapacity / seeds
		if math.Abs(found/trueCapacity-1) <= 0.05 {
			near++
		}
		if found > trueCapacity*1.03 {
			high++
		}
	}
	t.Logf("%d searches: %d end within 5 %% of the capacity, %d more than 3 %% above it; the mean is %.3f of it",
		seeds, near, high, sum)
	if near < seeds*17/20 || high > seeds/20 {
		t.Errorf("%d searches: %d end within 5 %% of the capacity, %d more than 3 %% above it", seeds, near, high)
	}
}

func TestASearchDoublesHalvesTheGapAndConfirms(t *testing.T) {
	for _, c := range []struct {
		name string
		met  func(lab.SearchStep, int) (bool, string)
		want []string
	}{
		{"upwards", keepsUpTo(4300), []string{
			"expo 1000 true", "expo 2000 true", "expo 4000 true", "expo 8000 false",
			"bina 5660 false", "bina 4760 false", "bina 4360 false", "bina 4180 true", "bina 4270 true",
			"conf 4270 true",
		}},
		{"downwards", keepsUpTo(300), []string{
			"expo 1000 false", "expo 500 false", "expo 250 true",
			"bina 354 false", "bina 297 true", "bina 324 false", "bina 310 false", "bina 303 false",
			"conf 297 true",
		}},
		{
			"a failed confirmation lowers the rate, and the third is the last",
			func(step lab.SearchStep, _ int) (bool, string) {
				return step.OfferedRPS <= 1500 && step.Stage != lab.Confirmation, ""
			},
			[]string{
				"expo 1000 true", "expo 2000 false", "bina 1410 true", "bina 1680 false", "bina 1540 false",
				"bina 1470 true", "bina 1500 true",
				"conf 1500 false", "conf 1440 false", "conf 1320 false",
			},
		},
		{"the second confirmation holds", func(step lab.SearchStep, _ int) (bool, string) {
			return step.OfferedRPS <= 1500 && (step.Stage != lab.Confirmation || step.OfferedRPS < 1450), ""
		}, []string{
			"expo 1000 true", "expo 2000 false", "bina 1410 true", "bina 1680 false", "bina 1540 false",
			"bina 1470 true", "bina 1500 true",
			"conf 1500 false", "conf 1440 true",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := describeSteps(runSearch(plan.NewSearch(profile(t, "full"), 1000, 100), c.met))
			if !slices.Equal(got, c.want) {
				t.Errorf("tried\n%q, want\n%q", got, c.want)
			}
		})
	}
}

func TestASearchThatKeepsNothingEnds(t *testing.T) {
	never := keepsUpTo(0)
	tried := runSearch(plan.NewSearch(profile(t, "full"), 1000, 1000), never)
	if last := tried[len(tried)-1]; last.Stage != lab.Exponential || confirmedRate(tried) != 0 {
		t.Errorf("no rate was kept, but it tried %q", describeSteps(tried))
	}
	// 1,095 requests take 10 s at 109.5 per second: half of 125 is too low.
	if got := tried[len(tried)-1].OfferedRPS; got != 125 {
		t.Errorf("125/s is the lowest halved rate at which a step has a 99th percentile, but it tried %q",
			describeSteps(tried))
	}
	tried = runSearch(plan.NewSearch(profile(t, "full"), 50, 1000), never)
	if len(tried) != 1 {
		t.Errorf("the first rate is too low for a 99th percentile, but the search went on: %q",
			describeSteps(tried))
	}
}

func TestASearchThatMissesNothingEnds(t *testing.T) {
	tried := runSearch(plan.NewSearch(profile(t, "full"), 1, 100), keepsUpTo(math.Inf(1)))
	last := tried[len(tried)-1]
	if last.Stage != lab.Confirmation || last.OfferedRPS != tried[len(tried)-2].OfferedRPS {
		t.Errorf("every rate was kept, but it tried %q", describeSteps(tried))
	}
}

func TestAStepIsLongEnoughForItsObjectives(t *testing.T) {
	s := plan.NewSearch(profile(t, "full"), 1000, 1000)
	for _, c := range []struct {
		step lab.SearchStep
		want time.Duration
	}{
		{lab.SearchStep{OfferedRPS: 5000}, 2500 * time.Millisecond},
		{lab.SearchStep{OfferedRPS: 219}, 5 * time.Second}, // 1,000 requests and three times their square root
		{lab.SearchStep{OfferedRPS: 1}, 10 * time.Second},
		{lab.SearchStep{OfferedRPS: 1e-300}, 10 * time.Second},
		{lab.SearchStep{OfferedRPS: 5000, Stage: lab.Confirmation}, 10 * time.Second},
	} {
		if got := s.StepDuration(c.step).Round(10 * time.Millisecond); got != c.want {
			t.Errorf("%+v lasts %v, want %v", c.step, got, c.want)
		}
	}
}

func TestASearchEndsInTimeAndConfirmsOnlyKeptRates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(lab.ProfileNames()).Draw(t, "profile")
		p, err := plan.ProfileByName(name)
		if err != nil {
			t.Fatal(err)
		}
		s := plan.NewSearch(p, rapid.Float64Range(0.01, 1e6).Draw(t, "first"),
			rapid.IntRange(0, 10_000).Draw(t, "requests"))
		tried := runSearch(s, func(lab.SearchStep, int) (bool, string) { return rapid.Bool().Draw(t, "met"), "" })
		var took time.Duration
		highest, confirming := 0.0, false
		for i, step := range tried {
			took += s.StepDuration(step)
			if again, more := s.Next(tried[:i]); !more || again.OfferedRPS != step.OfferedRPS ||
				again.Stage != step.Stage {
				t.Fatalf("step %d is %+v, and the second time %+v", i, step, again)
			}
			switch {
			case step.OfferedRPS <= 0:
				t.Fatalf("step %d at %v/s", i, step.OfferedRPS)
			case step.Stage == lab.Confirmation && step.OfferedRPS > highest:
				t.Fatalf("%v/s is to be confirmed, but the highest kept rate is %v/s", step.OfferedRPS, highest)
			case step.Stage != lab.Confirmation && confirming:
				t.Fatal("a search went on after a confirmation")
			case step.Stage != lab.Confirmation && step.SLOMet:
				highest = max(highest, step.OfferedRPS)
			}
			confirming = confirming || step.Stage == lab.Confirmation
		}
		if most := plan.PhaseDuration(p, lab.Capacity); took > most {
			t.Fatalf("took %v, want at most %v", took, most)
		}
		if (highest > 0) != confirming {
			t.Fatalf("the highest kept rate is %v/s, confirmed: %v", highest, confirming)
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
