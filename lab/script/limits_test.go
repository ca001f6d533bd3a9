package script

import (
	"strings"
	"testing"
	"time"
)

// Sorting a long list is one step of the interpreter, so the limit of steps does
// not end this script.
func TestLongStepsEndAtTheTimeLimit(t *testing.T) {
	text := "def f():\n    for _ in range(100000):\n        sorted(range(100000))\n\nf()\n"
	bounds := limits{steps: defaultLimits.steps, time: 50 * time.Millisecond}
	result, err := evaluateScenario(t.Context(), bounds, "x", "scenarios/x.star", []byte(text),
		variantPool{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if faults := result.Faults; len(faults) != 1 || faults[0].Line < 2 || faults[0].Line > 3 ||
		!strings.HasSuffix(faults[0].Error(), ": the script ran for more than 50ms; make it do less work") {
		t.Errorf("faults are %v", result.Faults)
	}
}

// Comparing structs that hold maps would panic.
func TestRequestsCanBeCompared(t *testing.T) {
	text := "a = get(\"/\") == get(\"/\")\nb = peak() == peak()\n"
	result, err := evaluateScenario(t.Context(), defaultLimits, "x", "scenarios/x.star", []byte(text),
		variantPool{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if faults := result.Faults; len(faults) != 1 ||
		faults[0].Error() != "scenarios/x.star:1:1: there is no scenario() in the file" {
		t.Errorf("faults are %v", result.Faults)
	}
}
