package stat_test

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"runtimelab/lab/stat"
)

// The example in Wikipedia, "Holm-Bonferroni method": at 0.05 the first and the fourth of four
// hypotheses are rejected. Adjusted values are those of R:
// p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm").
func TestHolmMatchesTheWorkedExample(t *testing.T) {
	ps := []float64{0.01, 0.04, 0.03, 0.005}
	adjusted := stat.Holm(ps)
	for i, want := range []float64{0.03, 0.06, 0.06, 0.02} {
		near(t, "adjusted p", adjusted[i], want, 1e-15)
	}
	// Levels are 0.0125, 0.0167 and 0.025, which the third p exceeds; the last keeps that level.
	levels := stat.HolmLevels(ps, 0.05)
	for i, want := range []float64{0.05 / 3, 0.05 / 2, 0.05 / 2, 0.05 / 4} {
		near(t, "level", levels[i], want, 1e-15)
	}
}

func TestHolmHandlesEdgeCases(t *testing.T) {
	if got := stat.Holm(nil); len(got) != 0 {
		t.Errorf("without tests: %v", got)
	}
	if got := stat.Holm([]float64{0.9, 0.8, math.NaN()}); !slices.Equal(got, []float64{1, 1, 1}) {
		t.Errorf("adjusted p above 1, or for NaN: %v", got)
	}
	if got := stat.HolmLevels([]float64{0.001, 0.001}, 0.025); !slices.Equal(got, []float64{0.0125, 0.025}) {
		t.Errorf("all are rejected, but the last level is not alpha: %v", got)
	}
}

func ps(t *rapid.T) []float64 {
	return rapid.SliceOfN(rapid.OneOf(rapid.Float64Range(0, 1), rapid.Float64Range(0, 0.01)), 1, 30).Draw(t, "p")
}

func TestHolmNeverLowersPAndKeepsItsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := ps(t)
		adjusted := stat.Holm(raw)
		for i := range raw {
			if adjusted[i] < raw[i] || adjusted[i] > 1 {
				t.Errorf("%v is adjusted to %v", raw[i], adjusted[i])
			}
			for j := range raw {
				if raw[i] < raw[j] && adjusted[i] > adjusted[j] {
					t.Errorf("%v and %v change their order: %v and %v", raw[i], raw[j], adjusted[i], adjusted[j])
				}
			}
		}
	})
}

func TestHolmLevelsAgreeWithAdjustedP(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := ps(t)
		alpha := rapid.Float64Range(0.0001, 0.5).Draw(t, "alpha")
		adjusted, levels := stat.Holm(raw), stat.HolmLevels(raw, alpha)
		for i, p := range raw {
			if math.Abs(adjusted[i]-alpha) < 1e-12 {
				continue // rounding may decide
			}
			if (p <= levels[i]) != (adjusted[i] <= alpha) {
				t.Errorf("%v at level %v, adjusted %v at %v", p, levels[i], adjusted[i], alpha)
			}
			if levels[i] > alpha || levels[i] < alpha/float64(len(raw)) {
				t.Errorf("a level of %v for %d tests at %v", levels[i], len(raw), alpha)
			}
		}
	})
}
