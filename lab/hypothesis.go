package lab

import (
	"fmt"
	"strings"
)

// Hypothesis states how one metric of two arms compares: the ratio numerator /
// denominator lies above 1, below 1, or within the margin around 1. Differences
// within the margin do not matter in practice.
type Hypothesis struct {
	Scenario    string    `json:"scenario"` // in which both arms are measured
	Profile     string    `json:"profile"`  // the shortest profile that tests it by default
	Claim       string    `json:"claim"`    // a Claim's id
	Metric      string    `json:"metric"`   // a column of trials.csv
	Numerator   Arm       `json:"numerator"`
	Denominator Arm       `json:"denominator"`
	Direction   Direction `json:"direction"`
	Margin      float64   `json:"margin"` // 0.05: ratios from 0.95 to 1/0.95 count as equal
}

// ID returns the hypothesis in words: "json: throughput_rps of node/single peak
// over python/uvloop peak is higher".
func (h Hypothesis) ID() string {
	return fmt.Sprintf("%s: %s of %s over %s is %s", h.Scenario, h.Metric, h.Numerator, h.Denominator,
		h.Direction)
}

// Arms returns the two arms of the hypothesis, and the divisors of those that are
// ratios.
func (h Hypothesis) Arms() []Arm { return append(h.Numerator.operands(), h.Denominator.operands()...) }

// Arm is one side of a comparison: one phase of a variant's trials in the
// hypothesis's scenario. With Over it is the ratio to another arm, such as the
// speed-up of two workers over one.
type Arm struct {
	Variant string `json:"variant"`         // an id: "node/single"
	Phase   string `json:"phase"`           // a Phase's name: "peak"
	Cores   int    `json:"cores,omitempty"` // CPUs of the server: one of Scenario.Cores
	Over    *Arm   `json:"over,omitempty"`  // divisor; must not have an Over
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

// Equal reports whether two arms use the same phases of the same trials.
func (a Arm) Equal(b Arm) bool {
	if (a.Over == nil) != (b.Over == nil) || a.Over != nil && !a.Over.Equal(*b.Over) {
		return false
	}
	return a.Variant == b.Variant && a.Phase == b.Phase && a.Cores == b.Cores
}

// operands returns the arm without its divisor, and the divisor if there is one.
func (a Arm) operands() []Arm {
	over := a.Over
	a.Over = nil
	if over == nil {
		return []Arm{a}
	}
	return append([]Arm{a}, over.operands()...)
}

// Direction is the side of the margin on which a hypothesis expects the ratio of
// its arms.
type Direction string

const (
	Higher    Direction = "higher"     // the ratio lies above 1 by more than the margin
	Lower     Direction = "lower"      // below 1 by more than the margin
	Same      Direction = "same"       // within the margin
	NotHigher Direction = "not-higher" // not above by more than the margin
	NotLower  Direction = "not-lower"  // not below by more than the margin
)

// Directions returns all directions, in the order of the documentation.
func Directions() []Direction { return []Direction{Higher, Lower, Same, NotHigher, NotLower} }

// Objective is one limit of an SLO.
type Objective struct {
	Metric string  `json:"metric"` // a column of trials.csv
	Below  bool    `json:"below"`  // true: the metric must lie below Limit; false: above
	Limit  float64 `json:"limit"`
}

func (o Objective) String() string {
	if o.Below {
		return fmt.Sprintf("%s below %v", o.Metric, o.Limit)
	}
	return fmt.Sprintf("%s above %v", o.Metric, o.Limit)
}
