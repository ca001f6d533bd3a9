package lab

import "fmt"

// Hypothesis is a claim's statement about one metric of two arms: that
// numerator / denominator lies on one side of 1, by more than a margin that
// matters in practice, or that it does not differ from 1 by as much.
type Hypothesis struct {
	Claim       string    `json:"claim"`  // a Claim's id
	Metric      string    `json:"metric"` // a column of trials.csv
	Numerator   Arm       `json:"numerator"`
	Denominator Arm       `json:"denominator"`
	Direction   Direction `json:"direction"`
	Margin      float64   `json:"margin"` // 0.05: a ratio from 0.95 to 1/0.95 makes no difference
}

// Arm is one side of a comparison: the trials of a variant in the hypothesis's
// scenario, of which it takes one phase.
type Arm struct {
	Variant string `json:"variant"` // an id: "node/single"
	Phase   string `json:"phase"`   // a Phase's name: "peak"
}

func (a Arm) String() string { return fmt.Sprintf("%s %s", a.Variant, a.Phase) }

// Direction is what a hypothesis says of the ratio of its arms.
type Direction string

const (
	Higher Direction = "higher" // the ratio lies above 1 by more than the margin
	Lower  Direction = "lower"  // below
	Same   Direction = "same"   // within the margin
)

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
