package compare

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"runtimelab/lab"
)

// Key identifies what is compared: a phase of a scenario on a variant with a number of CPUs.
// A key without a phase is the whole trial.
type Key struct {
	Scenario string `json:"scenario"`
	Variant  string `json:"variant"`
	CPUs     int64  `json:"server_cpus"`
	Phase    string `json:"phase"`
}

func (k Key) String() string {
	words := []string{k.Scenario, k.Variant}
	if k.CPUs > 1 {
		words = append(words, fmt.Sprintf("on %d CPUs", k.CPUs))
	}
	if k.Phase != "" {
		words = append(words, k.Phase)
	}
	return strings.Join(words, " ")
}

// trial returns the key of the whole trial.
func (k Key) trial() Key { k.Phase = ""; return k }

// isControl reports whether the key is measured to judge the run, not for its own result.
func (k Key) isControl() bool {
	return k.Scenario == lab.ReferenceScenario || k.Scenario == lab.BurnScenario ||
		lab.OriginalOf(k.Variant) != k.Variant
}

// isResult reports whether the key is measured for its own result.
func (k Key) isResult() bool { return !k.isControl() }

// compare orders keys as reports do: phases whose names differ in a number by that number.
func (k Key) compare(l Key) int {
	textK, numberK := phaseNumber(k.Phase)
	textL, numberL := phaseNumber(l.Phase)
	return cmp.Or(cmp.Compare(k.Scenario, l.Scenario), cmp.Compare(k.Variant, l.Variant),
		cmp.Compare(k.CPUs, l.CPUs),
		cmp.Compare(textK, textL), cmp.Compare(numberK, numberL), cmp.Compare(k.Phase, l.Phase))
}

// phaseNumber splits a name such as ladder-100 or steady-50% into its text and number. The
// number is 0 if there is none.
func phaseNumber(phase string) (text string, number float64) {
	text, after, _ := strings.Cut(phase, "-")
	number, _ = strconv.ParseFloat(strings.TrimSuffix(after, "%"), 64)
	return text, number
}
