package lab

import (
	"slices"
	"time"
)

// PhaseKind names a kind of phase, which is a row of phaseKinds. Code asks for the traits of a kind
// and does not compare kinds: lab/cli/phasekind_test.go lists the exceptions.
type PhaseKind string

const (
	WarmUp   PhaseKind = "warmup"
	Peak     PhaseKind = "peak"
	Ladder   PhaseKind = "ladder"
	Steady   PhaseKind = "steady"
	Steps    PhaseKind = "steps"
	Ramp     PhaseKind = "ramp"
	Capacity PhaseKind = "capacity"
)

// PhaseTraits is a row of the table of kinds of phase: all that differs between kinds. The zero
// value is that of an unknown kind.
type PhaseTraits struct {
	Kind   PhaseKind // also the function of scripts that makes such phases
	About  string    // what it does and what it is for, in one line of scenarios/README.md
	Pacing Pacing
	Load   LoadForm
	// Duration returns how long a phase lasts, or may last. It is nil for a search, which sets the
	// duration of each step.
	Duration func(Profile) time.Duration
	Extra    ExtraTime
	Headline string   // the metric that it is measured for; with a deadline it is goodput_rps
	Compared []string // the metrics that two runs are compared by if the user names none
	// Discarded says that its results are discarded and have no row: it warms the server up.
	Discarded  bool
	WarmedUpBy PhaseKind // the kind of phase that warms the server up for it, in pilots and scripts
	FindsPeak  bool      // its throughput is the server's peak, of which rates can be shares
	// StepKind makes it a search for a capacity, each step of which sends its load as a phase of that
	// kind; empty if it is no search.
	StepKind PhaseKind
}

// FindsCapacity reports whether the phase is a search for a capacity.
func (t PhaseTraits) FindsCapacity() bool { return t.StepKind != "" }

// Pacing is the rule by which a phase sends its requests.
type Pacing string

const (
	// ClosedLoop sends the next request of a connection after the answer to the last one.
	ClosedLoop Pacing = "closed loop"
	// ClosedUntilSteady is a closed loop that ends when throughput is steady, or else with its duration.
	ClosedUntilSteady Pacing = "closed loop until steady"
	// ArrivingClients is a closed loop of a fixed number of clients that arrive one after another.
	ArrivingClients Pacing = "arriving clients"
	// OpenLoop sends by a schedule, independent of the answers.
	OpenLoop Pacing = "open loop"
)

// LoadForm is how a script gives the load of a phase. The name of a phase is its kind. If its
// scenario has several of the kind, the load follows, or the share of a peak that it is.
type LoadForm string

const (
	LoadConnections LoadForm = "connections" // a number of connections, or a list of them: a phase for each
	LoadRate        LoadForm = "rate"        // a rate, or a share of a peak
	LoadRates       LoadForm = "rates"       // a list of rates: a phase for each
	LoadStartStop   LoadForm = "start-stop"  // the first and the last of rates that change linearly
	LoadStart       LoadForm = "start"       // the first rate of a search
)

// ExtraTime is the time of a phase beyond its duration, each part as a share of that duration.
type ExtraTime struct {
	// Doubled is for a repetition on twice the connections, if the server was not saturated. The phase
	// is never repeated so if Doubled is 0.
	Doubled float64
	// Wait is the longest time that clients wait for their last answers after the duration has ended.
	// The phase ends with its duration if Wait is 0.
	Wait      float64
	UsualWait float64 // the usual time that several clients wait for their last answers
}

// openLoopMetrics leaves out throughput, which in an open loop is the offered rate.
var openLoopMetrics = []string{
	"goodput_rps", "latency_p50_ms", "latency_p99_ms", "cpu_us_per_request",
	"memory_peak_mib", "error_ratio",
}

// phaseKinds is the table of kinds of phase, in the order of documents and messages. A new kind is a
// new row. It needs more only if its Pacing or LoadForm is new: a pacer in attack, or a reader of
// arguments in script.
var phaseKinds = []PhaseTraits{
	{
		Kind:      WarmUp,
		About:     "closed loop, discarded; ends when throughput is steady",
		Pacing:    ClosedUntilSteady,
		Load:      LoadConnections,
		Duration:  func(p Profile) time.Duration { return p.WarmUpMax },
		Discarded: true,
	},
	{
		Kind:       Peak,
		About:      "closed loop: each connection sends when it has its answer; throughput",
		Pacing:     ClosedLoop,
		Load:       LoadConnections,
		Duration:   func(p Profile) time.Duration { return p.PeakDuration },
		Extra:      ExtraTime{Doubled: 0.5},
		Headline:   "throughput_rps",
		Compared:   []string{"throughput_rps", "cpu_us_per_request", "memory_peak_mib", "error_ratio"},
		WarmedUpBy: WarmUp,
		FindsPeak:  true,
	},
	{
		Kind:     Ladder,
		About:    "closed loop: how long so many clients wait, and what is served meanwhile",
		Pacing:   ArrivingClients,
		Load:     LoadConnections,
		Duration: func(p Profile) time.Duration { return p.PeakDuration },
		Extra:    ExtraTime{Wait: 1, UsualWait: 0.5},
		Headline: "throughput_rps",
		Compared: []string{
			"throughput_rps", "latency_raw_p50_ms", "latency_raw_p99_ms", "cpu_us_per_request",
			"memory_peak_mib", "error_ratio",
		},
		WarmedUpBy: WarmUp,
	},
	{
		Kind:       Steady,
		About:      "open loop: requests start when the schedule says, whatever became of others; latency",
		Pacing:     OpenLoop,
		Load:       LoadRate,
		Duration:   func(p Profile) time.Duration { return p.SteadyDuration },
		Headline:   "latency_p50_ms",
		Compared:   openLoopMetrics,
		WarmedUpBy: WarmUp,
	},
	{
		Kind:       Steps,
		About:      "several rates, one after another, each for half as long as a steady phase",
		Pacing:     OpenLoop,
		Load:       LoadRates,
		Duration:   func(p Profile) time.Duration { return p.SteadyDuration / 2 },
		Headline:   "latency_p50_ms",
		Compared:   openLoopMetrics,
		WarmedUpBy: WarmUp,
	},
	{
		Kind:       Ramp,
		About:      "open loop whose rate changes linearly; its seconds are in timeline.csv",
		Pacing:     OpenLoop,
		Load:       LoadStartStop,
		Duration:   func(p Profile) time.Duration { return p.SteadyDuration },
		Headline:   "latency_p50_ms",
		Compared:   openLoopMetrics,
		WarmedUpBy: WarmUp,
	},
	{
		Kind:       Capacity,
		About:      "a search for the highest rate that keeps the `slo`: `capacity_rps`",
		Pacing:     OpenLoop,
		Load:       LoadStart,
		Headline:   "capacity_rps",
		Compared:   []string{"capacity_rps"}, // other metrics are at rates that may differ between searches
		WarmedUpBy: WarmUp,
		StepKind:   Steady,
	},
}

// PhaseKinds returns the table of kinds of phase.
func PhaseKinds() []PhaseTraits { return slices.Clone(phaseKinds) }

// Traits returns the row of a kind, or the zero value if there is no such kind.
func (k PhaseKind) Traits() PhaseTraits {
	for i := range phaseKinds {
		if phaseKinds[i].Kind == k {
			return phaseKinds[i]
		}
	}
	return PhaseTraits{}
}

// IsOpenLoop reports whether a phase sends by a schedule, independent of the answers.
func (k PhaseKind) IsOpenLoop() bool { return k.Traits().Pacing == OpenLoop }
