package stat_test

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"

	"runtimelab/lab/stat"
)

// All of ten at 95 % is 0.05^(1/10). Clopper and Pearson's limit of 9 of 10 is the share at which nine or
// more have a probability of 5 %: 0.6058 in their charts and in R's binom.test.
func TestShareAtLeast(t *testing.T) {
	for _, c := range []struct {
		k, n int
		want float64
	}{
		{10, 10, 0.741134}, {9, 10, 0.605837}, {6, 6, 0.606962}, {5, 10, 0.222441}, {0, 10, 0}, {0, 0, 0}, {
			1, 1,
			0.05,
		},
	} {
		near(t, "share", stat.ShareAtLeast(c.k, c.n, 0.05), c.want, 1e-6)
	}
}

// At the limit, so many successes or more have the probability alpha.
func TestShareAtLeastIsExact(t *testing.T) {
	for n := 1; n <= 40; n++ {
		for k := 1; k <= n; k++ {
			low := stat.ShareAtLeast(k, n, 0.05)
			asMany := 1 - distuv.Binomial{N: float64(n), P: low}.CDF(float64(k)-1)
			near(t, "probability of so many", asMany, 0.05, 1e-9)
			if k > 1 && low <= stat.ShareAtLeast(k-1, n, 0.05) {
				t.Errorf("%d of %d give no more than %d", k, n, k-1)
			}
		}
	}
}

// The rule of three: none in 100 is at most 3 % or, exactly, 2.95 %.
func TestNoneAtMost(t *testing.T) {
	near(t, "none in 100", stat.NoneAtMost(100, 0.05), 0.029513, 1e-6)
	near(t, "none in a million, times a million", 1e6*stat.NoneAtMost(1_000_000, 0.05), -math.Log(0.05), 1e-5)
	near(t, "none in 0", stat.NoneAtMost(0, 0.05), 1, 0)
	for _, n := range []int64{1, 7, 1000, 1 << 40} {
		if most := stat.NoneAtMost(n, 0.05); most <= 0 || most >= 3/float64(n) {
			t.Errorf("none in %d: %v, want less than 3/n", n, most)
		}
	}
}

// What is simulated agrees with theory where trials are independent, and the lower limit is too sure
// where failures come together.
func TestSimulatedShares(t *testing.T) {
	s := stat.Simulation{Draws: 20_000, Seed: 1}
	models := stat.ShareModels()
	for _, share := range []float64{0.7, 0.74, 0.9, 0.99} {
		o := s.RunShare(models[0], share, 10, 0.05)
		near(t, "all succeed", o.AllSucceeded, math.Pow(share, 10), s.SamplingTolerance(0.5))
		if faults := s.ShareViolations(o, 0.05); faults != nil || o.Trials != 10 || o.Share != share {
			t.Errorf("%+v: %q", o, faults)
		}
		clustered := s.RunShare(models[1], share, 10_000, 0.05)
		if clustered.AllSucceeded > 0.01 {
			t.Errorf("of 10 000 clustered trials all succeed in %v of the runs", clustered.AllSucceeded)
		}
	}
	clustered := s.RunShare(models[1], 0.74, 10, 0.05)
	if clustered.AllSucceeded < 0.2 || s.ShareViolations(clustered, 0.05) == nil || !models[1].OutOfScope {
		t.Errorf("clustered failures: %+v", clustered)
	}
}

// Clustered trials succeed in the share that they are drawn with.
func TestClusteredTrialsKeepTheirShare(t *testing.T) {
	s := stat.Simulation{Draws: 300, Seed: 2}
	model := stat.ShareModels()[1]
	o := s.RunShare(model, 0.8, 1, 0.05) // one trial: all succeed in the share itself
	near(t, "share", o.AllSucceeded, 0.8, 3*math.Sqrt(0.16/300))
}
