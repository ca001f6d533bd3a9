package lab_test

import (
	"testing"

	"runtimelab/lab"
)

func TestPhaseKindOfIsTheFirstPartOfTheName(t *testing.T) {
	for name, want := range map[string]lab.PhaseKind{
		"peak": lab.Peak, "ladder-integers-2": lab.Ladder, "steady-120%": lab.Steady,
		"capacity-p99": lab.Capacity, "": "", "-peak": "",
	} {
		if got := lab.PhaseKindOf(name); got != want {
			t.Errorf("%q is of kind %q, want %q", name, got, want)
		}
	}
}
