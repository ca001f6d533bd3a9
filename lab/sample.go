package lab

import "time"

// Validity is what the gates say of a sample.
type Validity string

const (
	Valid     Validity = "valid"
	Censored  Validity = "censored"  // a bound, not a figure: printed as ">= X"
	Disturbed Validity = "disturbed" // something outside the cell took part
	Failed    Validity = "failed"    // the server, or the trial, did
)

// GateResult is a validity and why, in words with the number that decided.
type GateResult struct {
	Validity Validity
	Reason   string // empty when valid
}

// Sample is one row of trials.csv: one measured phase of one trial with all
// that is needed to judge it.
type Sample struct {
	RunID       string
	Row         int // its place in trials.csv, from 1
	HostID      string
	StartedAt   time.Time
	Trial       Trial
	Scenario    Scenario
	Variant     Variant
	Image       Image
	Identity    Identity
	Phase       Phase
	Layout      Layout
	ColdStart   *time.Duration // container start to the first answer at /identity
	WarmUp      *AttackResult  // nil when the scenario has none
	Attack      *AttackResult  // nil when the trial failed before it
	ServerUsage ServerUsage
	Canaries    PhaseCanaries
	// a peak that left the server idle time: the same once more on twice the connections
	DoubleConnections   *AttackResult
	Upstream            *UpstreamUsage // nil where the scenario has none
	ServiceTimes        *ServiceTimes  // nil but for a reference server
	Search              *Search        // nil but for a capacity
	MissedObjectives    []string       // objectives of the phase that were not met, with the value
	MetricsWithoutValue []string       // metrics of objectives of which there is no value
	Gate                GateResult

	SeparateIRQTime bool // the host charges interrupts to no thread

	DoubledServer ServerUsage // of the attack on twice the connections
}

// ServerUsage is the server container's account over one phase.
type ServerUsage struct {
	Before, After Usage
	Known         bool // false when the container went before it was read
}

// ServiceTimes is a reference server's own account of its service times: from the
// read request to the written answer, by its monotonic clock, without the wait
// for its turn.
type ServiceTimes struct {
	Count  int64         `json:"count"`
	Mean   time.Duration `json:"mean_ns"`
	Median time.Duration `json:"p50_ns"`
	P99    time.Duration `json:"p99_ns"`
	Max    time.Duration `json:"max_ns"`
}

// Search is how a capacity was found: every rate that was tried, in order. The
// last that was confirmed is the capacity.
type Search struct {
	Steps []SearchStep
}

// SearchStep is one rate that was tried.
type SearchStep struct {
	Stage            SearchStage
	OfferedRPS       float64
	SLOMet           bool     // the SLO was kept
	MissedObjectives []string // objectives that were not, with the value; or metrics without a value
	InstrumentLimit  string   // of a miss that may not be the server's: what of the instrument was at its limit
	Attack           *AttackResult
	Server           ServerUsage
}

// SearchStage is what a step of a search is for.
type SearchStage string

const (
	Exponential  SearchStage = "exponential"  // twice the rate before, until one is too much
	Binary       SearchStage = "binary"       // between the highest that was kept and the lowest that was not
	Confirmation SearchStage = "confirmation" // independent of the search: a seed of its own, and longer
)

// UpstreamUsage is what the servers' upstream counted over one phase.
type UpstreamUsage struct {
	Calls int64 // calls that it answered
}

// PhaseCanaries are those of one phase, one for each CPU of the layout.
type PhaseCanaries struct {
	Before, After []Canary
	// What the server itself used while the canaries were at work: of that
	// those on its CPUs may be slow.
	ServerCPUBefore, ServerCPUAfter time.Duration
	// How long canaries had taken of late on the CPUs of which enough had been
	// heard; on others the calibration's are what is usual.
	Baselines []CanaryBaseline
}
