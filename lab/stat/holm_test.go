package stat_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"runtimelab/lab/stat"
)

// The example in Wikipedia, "Holm-Bonferroni method": at 0.05 the first and the fourth of four
// hypotheses are rejected. Adjusted values are those of R:
// p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm").
func TestHolmMatchesTheWorkedExample(t *testing.T) {
	ps := []float64{0.01, 0.04, 0.03, 0.005}
	tests := stat.Holm(ps, 0.05)
	for i, want := range []float64{0.03, 0.06, 0.06, 0.02} {
		near(t, "adjusted p", tests[i].P, want, 1e-15)
	}
	// Levels are 0.0125, 0.0167 and 0.025, which the third p exceeds; the last keeps that level.
	for i, want := range []float64{0.05 / 3, 0.05 / 2, 0.05 / 2, 0.05 / 4} {
		near(t, "level", tests[i].Level, want, 1e-15)
	}
}

func TestHolmHandlesEdgeCases(t *testing.T) {
	if got := stat.Holm(nil, 0.05); len(got) != 0 {
		t.Errorf("without tests: %v", got)
	}
	for _, test := range stat.Holm([]float64{0.9, 0.8, math.NaN()}, 0.05) {
		if test.P != 1 {
			t.Errorf("adjusted p above 1, or for NaN: %v", test.P)
		}
	}
	got := stat.Holm([]float64{0.001, 0.001}, 0.025)
	if got[0].Level != 0.0125 || got[1].Level != 0.025 {
		t.Errorf("all are rejected, but the last level is not alpha: %v", got)
	}
}

// The second p of a test has the factor of the first: the number of tests without a smaller p.
func TestAnotherPOfATestIsAdjustedLikeIt(t *testing.T) {
	tests := stat.Holm([]float64{0.02, 0.01, 0.02, 0.5}, 0.05)
	for i, want := range []float64{3 * 0.2, 4 * 0.2, 3 * 0.2, 0.5} {
		if got := tests[i].Adjust(0.2); math.Abs(got-want) > 1e-15 {
			t.Errorf("test %d: 0.2 is adjusted to %v, want %v", i, got, want)
		}
	}
	if got := tests[1].Adjust(0.3); got != 1 {
		t.Errorf("adjusted to %v, want 1", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		raw := ps(t)
		for i, test := range stat.Holm(raw, 0.025) {
			if got := test.Adjust(raw[i]); got != test.P {
				t.Errorf("its own p %v is adjusted to %v and %v", raw[i], test.P, got)
			}
		}
	})
}

func ps(t *rapid.T) []float64 {
	return rapid.SliceOfN(rapid.OneOf(rapid.Float64Range(0, 1), rapid.Float64Range(0, 0.01)), 1, 30).Draw(t, "p")
}

func TestHolmNeverLowersPAndKeepsItsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := ps(t)
		tests := stat.Holm(raw, 0.05)
		for i := range raw {
			if tests[i].P < raw[i] || tests[i].P > 1 {
				t.Errorf("%v is adjusted to %v", raw[i], tests[i].P)
			}
			for j := range raw {
				if raw[i] < raw[j] && tests[i].P > tests[j].P {
					t.Errorf("%v and %v change their order: %v and %v", raw[i], raw[j], tests[i].P, tests[j].P)
				}
			}
		}
	})
}

func TestHolmLevelsAgreeWithAdjustedP(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := ps(t)
		alpha := rapid.Float64Range(0.0001, 0.5).Draw(t, "alpha")
		for i, test := range stat.Holm(raw, alpha) {
			if math.Abs(test.P-alpha) < 1e-12 {
				continue // rounding may decide
			}
			if (raw[i] <= test.Level) != (test.P <= alpha) {
				t.Errorf("%v at level %v, adjusted %v at %v", raw[i], test.Level, test.P, alpha)
			}
			if test.Level > alpha || test.Level < alpha/float64(len(raw)) {
				t.Errorf("a level of %v for %d tests at %v", test.Level, len(raw), alpha)
			}
		}
	})
}
