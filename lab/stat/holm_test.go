package stat_test

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"runtimelab/lab/stat"
)

// The example of the encyclopedias (Wikipedia, "Holm-Bonferroni method"): of four
// hypotheses at 0.05 the first and the fourth are rejected. The adjusted values
// are those of R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm").
func TestHolmWorkedExample(t *testing.T) {
	ps := []float64{0.01, 0.04, 0.03, 0.005}
	adjusted := stat.Holm(ps)
	for i, want := range []float64{0.03, 0.06, 0.06, 0.02} {
		near(t, "adjusted p", adjusted[i], want, 1e-15)
	}
	// 0.0125, 0.0167, and 0.025 that the third fails; the fourth is not tested further.
	levels := stat.HolmLevels(ps, 0.05)
	for i, want := range []float64{0.05 / 3, 0.05 / 2, 0.05 / 2, 0.05 / 4} {
		near(t, "level", levels[i], want, 1e-15)
	}
}

func TestHolmAtTheEdges(t *testing.T) {
	if got := stat.Holm(nil); len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
	if got := stat.Holm([]float64{0.9, 0.8, math.NaN()}); !slices.Equal(got, []float64{1, 1, 1}) {
		t.Errorf("more than certain: %v", got)
	}
	if got := stat.HolmLevels([]float64{0.001, 0.001}, 0.025); !slices.Equal(got, []float64{0.0125, 0.025}) {
		t.Errorf("where all are rejected the last is at alpha: %v", got)
	}
}

func ps(t *rapid.T) []float64 {
	return rapid.SliceOfN(rapid.OneOf(rapid.Float64Range(0, 1), rapid.Float64Range(0, 0.01)), 1, 30).Draw(t, "p")
}

func TestHolmNeverLowersP(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := ps(t)
		adjusted := stat.Holm(raw)
		for i := range raw {
			if adjusted[i] < raw[i] || adjusted[i] > 1 {
				t.Errorf("%v is adjusted to %v", raw[i], adjusted[i])
			}
			for j := range raw {
				if raw[i] < raw[j] && adjusted[i] > adjusted[j] {
					t.Errorf("%v and %v change places: %v and %v", raw[i], raw[j], adjusted[i], adjusted[j])
				}
			}
		}
	})
}

// Rejected at its level is rejected by its adjusted p, whatever alpha is.
func TestHolmLevelsAgreeWithHolm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := ps(t)
		alpha := rapid.Float64Range(0.0001, 0.5).Draw(t, "alpha")
		adjusted, levels := stat.Holm(raw), stat.HolmLevels(raw, alpha)
		for i, p := range raw {
			if math.Abs(adjusted[i]-alpha) < 1e-12 {
				continue // by rounding alone
			}
			if (p <= levels[i]) != (adjusted[i] <= alpha) {
				t.Errorf("%v at level %v, adjusted %v at %v", p, levels[i], adjusted[i], alpha)
			}
			if levels[i] > alpha || levels[i] < alpha/float64(len(raw)) {
				t.Errorf("a level of %v of %d tests at %v", levels[i], len(raw), alpha)
			}
		}
	})
}
