package stat_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"runtimelab/lab/stat"
)

// maize holds the differences of Darwin's crossed and self-fertilized maize in eighths of an
// inch: Fisher, "The Design of Experiments" (1935). For these fifteen pairs section 17 has
// t = 2.148. Section 21 counts 863 of 32 768 choices of signs with at least the observed sum,
// which is 5.267 % for both sides.
var maize = []float64{49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48}

func TestSignFlipMatchesFisherOnMaize(t *testing.T) {
	e := stat.PairedEffect(maize)
	near(t, "t", e.Mean/e.SE, 2.148, 5e-4)
	near(t, "p of the sign-flip test", stat.SignFlip(maize, 0), 863.0/32768, 0)
	near(t, "two-sided p in percent", 200*stat.SignFlip(maize, 0), 5.267, 5e-4)
}

func TestSignFlipHandlesEdgeCases(t *testing.T) {
	for _, tt := range []struct {
		xs    []float64
		limit float64
		want  float64
	}{
		{nil, 0, 1},
		{[]float64{1}, 0, 0.5},
		{[]float64{3, 1, 2, 5, 4, 6}, 0, 1.0 / 64}, // one choice of 64
		{[]float64{3, 1, 2, 5, 4, 6}, 3.5, 36.0 / 64},
		{[]float64{0, 0, 0}, 0, 1},
		{[]float64{1, 0, 2}, 0, 2.0 / 8}, // flipping the value at the limit changes nothing
		{[]float64{-1, -2, -3}, 0, 1},
	} {
		if got := stat.SignFlip(tt.xs, tt.limit); got != tt.want {
			t.Errorf("%v above %v: p %v, want %v", tt.xs, tt.limit, got, tt.want)
		}
	}
}

// The expected p counts every choice of signs one by one.
func TestSignFlipBelowMirrorsTheTest(t *testing.T) {
	mirrored := make([]float64, len(maize))
	for i, x := range maize {
		mirrored[i] = -x
	}
	for _, limit := range []float64{-3, 0, 2, 40} {
		if got, want := stat.SignFlipBelow(maize, limit), stat.SignFlip(mirrored, -limit); got != want {
			t.Errorf("below %v: p %v, want %v", limit, got, want)
		}
	}
	if below, above := stat.SignFlipBelow(maize, 0), stat.SignFlip(maize, 0); below < 1-above {
		t.Errorf("a positive mean is below 0 with p %v and above with p %v", below, above)
	}
}

func TestSignFlipCountsAllChoices(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// The sums of whole numbers are exact, and often equal.
		whole := rapid.SliceOfN(rapid.IntRange(-9, 9), 1, 11).Draw(t, "xs")
		limit := rapid.IntRange(-3, 3).Draw(t, "limit")
		xs := make([]float64, len(whole))
		observed := 0
		for i, x := range whole {
			xs[i] = float64(x)
			observed += x - limit
		}
		reached := 0
		for choice := range 1 << len(whole) {
			sum := 0
			for i, x := range whole {
				if choice>>i&1 == 0 {
					sum += x - limit
				} else {
					sum -= x - limit
				}
			}
			if sum >= observed {
				reached++
			}
		}
		want := float64(reached) / float64(int(1)<<len(whole))
		if got := stat.SignFlip(xs, float64(limit)); got != want {
			t.Errorf("p %v, want %v", got, want)
		}
	})
}

// For more values than maxExactValues choices are sampled. A further value at the limit does not
// change p, so the sampled p can be compared with the exact one.
func TestSignFlipSamplesChoicesOfManyValues(t *testing.T) {
	var xs []float64
	for i := range 32 {
		xs = append(xs, math.Sin(float64(3*i))+0.2)
	}
	exact := stat.SignFlip(xs, 0)
	if exact < 0.01 || exact > 0.5 {
		t.Fatalf("p is %v: too close to 0 or 1 for a test", exact)
	}
	sampled := stat.SignFlip(append(xs, 0), 0)
	near(t, "p of sampled choices", sampled, exact, 5*math.Sqrt(exact*(1-exact)/100_000))
	// One choice of 2^39 reaches the observed sum. No sampled one does, so only the observed counts.
	rare := make([]float64, 40)
	for i := range rare {
		rare[i] = 1 - 1.001*float64(i/39)
	}
	near(t, "p of a sum that no sampled choice reaches", stat.SignFlip(rare, 0), 1.0/100_001, 0)
	if again := stat.SignFlip(append(xs, 0), 0); again != sampled {
		t.Errorf("p is %v, and %v when repeated", sampled, again)
	}
}
