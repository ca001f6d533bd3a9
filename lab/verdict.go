package lab

// Finding is what the data say of a hypothesis, and all hypotheses of a claim.
type Finding string

const (
	// Supported lies beyond the margin on the claim's side, in every configuration compared.
	Supported Finding = "supported"
	// Refuted lies beyond the margin on the other side, or inside it if the claim says that
	// there is a difference.
	Refuted Finding = "refuted"
	// Depends has configurations that support and configurations that refute.
	Depends Finding = "depends"
	// Inconclusive is undecided: the interval is too wide, there are too few trials, a control
	// failed, or the run is not complete.
	Inconclusive Finding = "inconclusive"
	// NotEvaluated comes with its reason and is never a pass.
	NotEvaluated Finding = "not evaluated"
)

// Verdict is what a run says of one hypothesis. Numbers that there are none of
// are nil.
type Verdict struct {
	Hypothesis
	Blocks    int      // that have a value of every arm
	Ratio     *float64 // numerator over denominator: the geometric mean over blocks
	Low, High *float64 // interval of the ratio at the level at which Holm tests it among the run's hypotheses, 95 % or more; nil on a side that a bound leaves open
	// one-sided, against the margin on the claim's side, adjusted by Holm; decides at Alpha
	PHolm        *float64
	PEquivalence *float64 // the larger of two one-sided tests that it lies within the margin, adjusted alike
	PSignFlip    *float64 // the second opinion on what was found, by permutation of signs, not adjusted
	Finding      Finding
	Reason       string
	Doubts       []string
	BlocksNeeded int // that would probably decide it; 0: more of them would not, or nobody knows
}

// Alpha is the error of one side at which a hypothesis is decided: an interval of
// 95 % leaves as much on each.
const Alpha = 0.025

// MinBlocks is the number of blocks below which nothing is compared: of fewer
// than six the permutation of signs has no p below Alpha.
const MinBlocks = 6

// ClaimVerdict is what a run says of one claim.
type ClaimVerdict struct {
	Claim              Claim
	Finding            Finding
	Reason             string
	HypothesisVerdicts []Verdict // of its hypotheses
}

// Control is a comparison whose outcome is known beforehand. Where it does not
// come out no verdict of its run is worth anything.
type Control struct {
	Name          string     `json:"name"` // "A/A", "known ratio"
	Hypothesis    Hypothesis `json:"hypothesis"`
	ExpectedRatio float64    `json:"true"` // the ratio that it must find
}

// ControlVerdict is how a control came out.
type ControlVerdict struct {
	Control
	Verdict Verdict
	Passed  bool
	Reason  string // what was seen, also where it passed
}
