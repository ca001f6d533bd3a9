package lab

// Finding is the result of a hypothesis, of a promise, or of all that tests a claim.
type Finding string

const (
	// Supported means that the ratio lies beyond the margin on the claim's side, or that every trial
	// kept a promise, in every configuration tested.
	Supported Finding = "supported"
	// Refuted means that the ratio lies beyond the margin on the other side, or within the margin if the
	// claim states a difference; or that a trial broke a promise.
	Refuted Finding = "refuted"
	// Depends means that some configurations support the claim and others refute it.
	Depends Finding = "depends"
	// Inconclusive means that the data do not decide: the interval is too wide, there are too few trials,
	// a control failed, or the run is incomplete.
	Inconclusive Finding = "inconclusive"
	// NotEvaluated means that nothing was tested. It has a reason, and never counts as a pass.
	NotEvaluated Finding = "not evaluated"
)

// Verdict is the result of one hypothesis in one run. Missing numbers are nil.
type Verdict struct {
	Hypothesis
	Blocks int      `json:"n_blocks"` // blocks with a value of every arm
	Ratio  *float64 `json:"ratio"`    // numerator / denominator: geometric mean over blocks
	// Low and High are the confidence interval of the ratio. Its level is that at which Holm's method
	// tests the hypothesis among those of the run: 95 % or more. A side that a bound leaves open is nil.
	Low  *float64 `json:"ci95_low"`
	High *float64 `json:"ci95_high"`
	// Confidence is the level of Low and High; 0 without an interval.
	Confidence float64 `json:"confidence,omitempty"`
	// PHolm is the one-sided p value against the margin on the claim's side, adjusted by Holm's method.
	// It decides at Alpha.
	PHolm *float64 `json:"p_holm"`
	// PEquivalence is the larger p value of the two one-sided tests for a ratio within the margin,
	// adjusted in the same way.
	PEquivalence *float64 `json:"p_equivalence"`
	// PSignFlip is the p value of a sign-flip permutation test of the finding, not adjusted.
	PSignFlip   *float64     `json:"p_sign_flip"`
	BlockRatios []BlockRatio `json:"block_ratios,omitempty"` // those that Ratio is the mean of, by block
	Finding     Finding      `json:"verdict"`
	Reasons     []Reason     `json:"reasons,omitempty"`
	Doubts      []Reason     `json:"doubts,omitempty"`
	// BlocksNeeded estimates the number of blocks that would decide it; 0 if unknown, or if more blocks
	// would not help.
	BlocksNeeded int `json:"blocks_needed,omitempty"`
}

// BlockRatio is the ratio of a hypothesis's arms in one block.
type BlockRatio struct {
	Block int     `json:"block"`
	Ratio float64 `json:"ratio"`
	Bound string  `json:"bound,omitempty"` // ">=" or "<="; "open": the true ratio is unknown
}

// Alpha is the one-sided error of every decision; a 95 % interval leaves as much
// on each side.
const Alpha = 0.025

// MinBlocks is the least number of blocks for a comparison: with fewer than six,
// no sign-flip permutation has a p value below Alpha.
const MinBlocks = 6

// ClaimVerdict is the result of one claim in one run.
type ClaimVerdict struct {
	Claim
	Finding            Finding          `json:"verdict"`
	HypothesisVerdicts []Verdict        `json:"hypotheses"`
	PromiseVerdicts    []PromiseVerdict `json:"promises,omitempty"`
}

// Control is a comparison of arms whose true ratio is known. If a control fails,
// every verdict of the run is inconclusive.
type Control struct {
	Name          string     `json:"name"` // "A/A", "known ratio"
	Hypothesis    Hypothesis `json:"hypothesis"`
	ExpectedRatio float64    `json:"true"` // the true ratio
}

// ControlVerdict is the result of one control.
type ControlVerdict struct {
	Control
	Verdict Verdict `json:"seen"`
	Judged  bool    `json:"judged"` // false: the Verdict's reasons say which data are missing
	Passed  bool    `json:"passed"`
	// ByClocks is how far the ratio is off that of the servers' own clocks; nil unless the arms are
	// reference servers.
	ByClocks *Deviation `json:"off_by_clocks,omitempty"`
	// CrossChecks are what the control CrossCheckControl consists of: it compares no arms of the run.
	CrossChecks []CrossCheck `json:"cross_checks,omitempty"`
}

// CrossCheckControl is the name of the control that the calibration measured with another generator.
const CrossCheckControl = "another generator"

// Deviation is a relative difference with its 95 % interval: 0.01 is 1 % more.
type Deviation struct {
	Value float64 `json:"value"`
	Low   float64 `json:"ci95_low"`
	High  float64 `json:"ci95_high"`
}
