package lab

import "time"

// Validity is the gates' classification of a sample.
type Validity string

const (
	Valid     Validity = "valid"
	Censored  Validity = "censored"  // a lower bound, not a figure: printed as ">= X"
	Disturbed Validity = "disturbed" // something outside the cell influenced it
	Failed    Validity = "failed"    // the server or the trial failed
)

// GateResult is the validity of a sample and the reason for it, with the number
// that decided.
type GateResult struct {
	Validity Validity
	Reason   string // empty when valid
}

// Sample is one measured phase of one trial, with everything that gates need to
// judge it. It becomes one row of trials.csv.
type Sample struct {
	RunID     string
	Row       int // row number in trials.csv, from 1
	HostID    string
	StartedAt time.Time
	Subject
	Identity  Identity
	ColdStart *time.Duration // from container start to the first correct answer
	WarmUp    *AttackResult  // nil without a warm-up
	Phase     Phase          // of a search, with the last rate
	Measured  *Window        // nil if the trial failed before it ended; of a search, that of the last step
	// Doubled is the window of the same peak on twice the connections. It is measured only if neither
	// side's CPUs were the limit.
	Doubled  *Window
	Search   *Search // capacity phases only
	Canaries PhaseCanaries
	SLO      SLOResult
	Gate     GateResult
}

// Subject is what a trial measures. It is known before the trial starts.
type Subject struct {
	Trial    Trial
	Scenario Scenario
	Variant  Variant
	Image    Image
	Layout   Layout
	// Generator is that of the run's plan: it sends the load of every phase.
	Generator Generator
}

// SLOResult says which objectives of a phase's SLO were not met.
type SLOResult struct {
	Missed       []string // objectives that were not met, with the measured value
	WithoutValue []string // metrics of objectives that have no value
}

// Search is a search for a capacity: every rate that was tried, in order. The last
// confirmed rate is the capacity.
type Search struct {
	Steps []SearchStep
}

// SearchStep is the result of a search at one rate.
type SearchStep struct {
	Stage            SearchStage
	OfferedRPS       float64
	SLOMet           bool
	MissedObjectives []string // objectives that were not met, with the value; or metrics without a value
	// InstrumentLimit says which part of the instrument was at its limit, so that a missed objective
	// may not be due to the server; empty if none was.
	InstrumentLimit string
	Window          *Window // nil before the rate is tried
}

// SearchStage is the purpose of a step of a search.
type SearchStage string

const (
	Exponential  SearchStage = "exponential"  // doubles the rate until the SLO is missed
	Binary       SearchStage = "binary"       // bisects between the highest rate kept and the lowest missed
	Confirmation SearchStage = "confirmation" // repeats the result with another seed and for longer
)

// PhaseCanaries holds the canaries around one phase, one for each CPU of the layout.
type PhaseCanaries struct {
	Before, After []Canary
	// ServerCPUBefore and ServerCPUAfter are the CPU times that the server used while the canaries ran.
	// Canaries on its CPUs may be slower by that.
	ServerCPUBefore, ServerCPUAfter time.Duration
	// Baselines are computed from the last canaries of this run. CPUs without one use the calibration's.
	Baselines []CanaryBaseline
}
