package lab

import (
	"fmt"
	"strings"
)

// Hypothesis is a claim's statement about one metric of two arms: that
// numerator / denominator lies on one side of 1, by more than a margin that
// matters in practice, or that it does not differ from 1 by as much.
type Hypothesis struct {
	Scenario    string    `json:"scenario"` // whose arms these are
	Profile     string    `json:"profile"`  // the shortest profile that tests it unasked
	Claim       string    `json:"claim"`    // a Claim's id
	Metric      string    `json:"metric"`   // a column of trials.csv
	Numerator   Arm       `json:"numerator"`
	Denominator Arm       `json:"denominator"`
	Direction   Direction `json:"direction"`
	Margin      float64   `json:"margin"` // 0.05: a ratio from 0.95 to 1/0.95 makes no difference
}

// ID names a hypothesis: "json: throughput_rps of node/single peak over
// python/uvloop peak is higher".
func (h Hypothesis) ID() string {
	return fmt.Sprintf("%s: %s of %s over %s is %s", h.Scenario, h.Metric, h.Numerator, h.Denominator,
		h.Direction)
}

// Arms are all that a hypothesis takes values of: two, or more where an arm is
// itself a ratio.
func (h Hypothesis) Arms() []Arm { return append(h.Numerator.operands(), h.Denominator.operands()...) }

// Arm is one side of a comparison: the trials of a variant in the hypothesis's
// scenario, of which it takes one phase; or their ratio to those of another,
// such as the speed-up of two workers over one.
type Arm struct {
	Variant string `json:"variant"`         // an id: "node/single"
	Phase   string `json:"phase"`           // a Phase's name: "peak"
	Cores   int    `json:"cores,omitempty"` // CPUs that the server is given: one of the scenario's
	Over    *Arm   `json:"over,omitempty"`  // what divides it; has no Over of its own
}

func (a Arm) String() string {
	words := []string{a.Variant}
	if a.Cores > 1 {
		words = append(words, fmt.Sprintf("on %d CPUs", a.Cores))
	}
	words = append(words, a.Phase)
	if a.Over != nil {
		words = append(words, "/", a.Over.String())
	}
	return strings.Join(words, " ")
}

// Equal reports whether two arms are of the same trials.
func (a Arm) Equal(b Arm) bool {
	if (a.Over == nil) != (b.Over == nil) || a.Over != nil && !a.Over.Equal(*b.Over) {
		return false
	}
	return a.Variant == b.Variant && a.Phase == b.Phase && a.Cores == b.Cores
}

func (a Arm) operands() []Arm {
	over := a.Over
	a.Over = nil
	if over == nil {
		return []Arm{a}
	}
	return append([]Arm{a}, over.operands()...)
}

// Direction is what a hypothesis says of the ratio of its arms.
type Direction string

const (
	Higher    Direction = "higher"     // the ratio lies above 1 by more than the margin
	Lower     Direction = "lower"      // below
	Same      Direction = "same"       // within the margin
	NotHigher Direction = "not-higher" // not above by more than the margin
	NotLower  Direction = "not-lower"  // not below
)

// Directions are all directions, in the order of documentation.
func Directions() []Direction { return []Direction{Higher, Lower, Same, NotHigher, NotLower} }

// Objective is a limit that a service promises to keep: one of an SLO.
type Objective struct {
	Metric string  `json:"metric"` // a column of trials.csv
	Below  bool    `json:"below"`  // else above
	Limit  float64 `json:"limit"`
}

func (o Objective) String() string {
	if o.Below {
		return fmt.Sprintf("%s below %v", o.Metric, o.Limit)
	}
	return fmt.Sprintf("%s above %v", o.Metric, o.Limit)
}
