package stat_test

import (
	"math"
	"testing"

	"runtimelab/lab/stat"
)

// The example of G*Power's manual (Faul, Erdfelder, Lang and Buchner 2007), "Means: difference
// from constant": d = (15 - 10) / 8 at alpha = beta = 0.05, one-tailed, needs 30 subjects. The
// noncentrality is 3.423266 and the actual power 0.955144.
func TestPowerMatchesGPower(t *testing.T) {
	near(t, "power", stat.PairedPower(30, 3.423266, 0.05), 0.955144, 5e-7)
	n, ok := stat.PairsNeeded(5, 8, 0.05, 0.95, 1000)
	if n != 30 || !ok {
		t.Errorf("%d subjects (%v), want 30", n, ok)
	}
	near(t, "detectable effect of 30 subjects", stat.DetectableEffect(30, 8, 0.05, 0.955144), 5, 1e-5)
}

func TestPowerWithoutAnEffectIsAlpha(t *testing.T) {
	for _, n := range []int{2, 3, 6, 10, 200, 100_000} {
		near(t, "power", stat.PairedPower(n, 0, 0.025), 0.025, 1e-6)
	}
}

func TestPairsNeededAgreesWithDetectableEffect(t *testing.T) {
	for _, tt := range []struct {
		distance, sd float64
		most, n      int
		ok           bool
	}{
		{0.01, 0.02, 1000, 34, true},
		{0.01, 0.02, 33, 0, false},
		{0.01, 0.02, 34, 34, true},
		{0.01, 0, 1000, 2, true},
		{0, 0.02, 1000, 0, false},
		{-0.01, 0.02, 1000, 0, false},
		{math.NaN(), 0.02, 1000, 0, false},
	} {
		if n, ok := stat.PairsNeeded(tt.distance, tt.sd, 0.025, 0.8, tt.most); n != tt.n || ok != tt.ok {
			t.Errorf("%v beyond the limit with a deviation of %v: %d (%v) of at most %d, want %d (%v)",
				tt.distance, tt.sd, n, ok, tt.most, tt.n, tt.ok)
		}
	}
	// The effect that n blocks detect needs n blocks.
	for _, n := range []int{6, 10, 20} {
		distance := stat.DetectableEffect(n, 0.03, 0.025, 0.8)
		if got, ok := stat.PairsNeeded(distance*1.0001, 0.03, 0.025, 0.8, 100); got != n || !ok {
			t.Errorf("%d blocks detect %v, which needs %d", n, distance, got)
		}
	}
	if got := stat.DetectableEffect(1, 0.03, 0.025, 0.8); !math.IsInf(got, 1) {
		t.Errorf("one block detects %v", got)
	}
	if got := stat.DetectableEffect(6, 0, 0.025, 0.8); got != 0 {
		t.Errorf("without noise %v is detected", got)
	}
}
