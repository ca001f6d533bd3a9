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

func TestAcceptsTakes2xxUnlessTheRequestExpectsAStatus(t *testing.T) {
	for status, want := range map[int]bool{
		101: false, 199: false, 200: true, 204: true, 299: true, 300: false,
		304: false, 404: false, 500: false,
	} {
		if got := (lab.Request{}).Accepts(status); got != want {
			t.Errorf("%d: %v", status, got)
		}
		if got := (lab.Request{Expect: 404}).Accepts(status); got != (status == 404) {
			t.Errorf("404 is expected, %d: %v", status, got)
		}
	}
}
