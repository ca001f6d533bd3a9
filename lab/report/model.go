package report

import (
	"time"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/scaling"
)

// Report is the model that every rendering shows: measured values of each trial, and verdicts with
// their reasons as data. Its JSON is the output of lab report --json, which schema.json describes.
// A number that does not exist is null; a ratio is numerator over denominator.
type Report struct {
	RunID  string `json:"run_id"`
	HostID string `json:"host_id"`
	Counts
	Run      *Run                 `json:"run,omitempty"` // nil if only the rows were read
	Controls []lab.ControlVerdict `json:"controls"`
	Claims   []lab.ClaimVerdict   `json:"claims"`
	// Untested says why no claim was tested; nil if any was.
	Untested *lab.Reason           `json:"untested,omitempty"`
	Topics   []lab.UntestableTopic `json:"untestable"`
	Scaling  []scaling.Curve       `json:"scaling"` // those of servers; each has the native burn's values
	Figures  []Section             `json:"figures"`
	Attempts []Attempt             `json:"attempts"` // every attempt at a trial, in order of time
	Loads    []LoadPoint           `json:"loads"`    // latency against offered load
	// Latencies and Timeline come from histograms.hlog and timeline.csv. They are empty if only the rows
	// were read.
	Latencies []Distribution `json:"latencies"`
	Timeline  []Timeline     `json:"timeline"`
	Doubts    []lab.Reason   `json:"doubts"`
}

// Counts says how much of a run was measured, and how much of that counts.
type Counts struct {
	Blocks int `json:"blocks"`
	Trials int `json:"trials"`       // attempts at trials that were measured
	Valid  int `json:"valid_trials"` // those in which every phase is valid or a bound
	// Measured counts planned trials that were measured; a repeated trial counts once.
	Measured int `json:"measured_trials"`
	Planned  int `json:"planned_trials"`
}

// Complete reports whether all planned trials were measured.
func (c Counts) Complete() bool { return c.Measured >= c.Planned }

// ControlsPassed reports whether no control failed. A run may have none.
func (r Report) ControlsPassed() bool { return len(r.failedControls()) == 0 }

func (r Report) failedControls() (failed []lab.ControlVerdict) {
	for _, c := range r.Controls {
		if !c.Passed {
			failed = append(failed, c)
		}
	}
	return failed
}

// Run says what ran, when and where.
type Run struct {
	Schema    int        `json:"schema_version"`
	State     string     `json:"state"`
	Reason    string     `json:"reason,omitempty"` // why it was interrupted or failed
	StartedAt time.Time  `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at"`
	Choices

	Host     lab.Topology      `json:"host"`
	Engine   map[string]string `json:"engine"`
	Versions map[string]string `json:"versions"`
	Layouts  []lab.Layout      `json:"layouts"`
	Variants []Variant         `json:"variants"`
	Services []Service         `json:"services,omitempty"` // of folders, beside the servers of trials
	Refused  map[string]string `json:"refused,omitempty"`  // why variants were not measured, by id
	Notes    []string          `json:"notes,omitempty"`
}

// Choices are what was chosen for a run before it started.
type Choices struct {
	Profile   string        `json:"profile"`
	Seed      uint64        `json:"seed"`
	Generator lab.Generator `json:"generator"` // of every trial
}

// Variant is a measured variant and its image.
type Variant struct {
	ID            string `json:"id"`
	Version       string `json:"version,omitempty"` // of the runtime, as its server reports it
	ContentSHA256 string `json:"content_sha256"`
	ImageID       string `json:"image_id"`
	BaseOrigin    string `json:"base_origin"`
}

// Service is a service beside the servers, and its image.
type Service struct {
	Name          string   `json:"name"`
	Role          lab.Role `json:"role"`
	ContentSHA256 string   `json:"content_sha256"`
	ImageID       string   `json:"image_id"`
	BaseOrigin    string   `json:"base_origin"`
}

// Attempt is one attempt at a trial, with the validity of each of its phases.
type Attempt struct {
	lab.TrialID
	Position  int             `json:"position"` // within the block
	StartedAt string          `json:"started_at"`
	Validity  lab.Validity    `json:"validity"` // the worst of its phases
	Phases    []PhaseValidity `json:"phases"`
}

// PhaseValidity says whether a phase counts.
type PhaseValidity struct {
	Phase    string        `json:"phase"` // empty: the trial failed before its first phase
	Kind     lab.PhaseKind `json:"kind"`
	Validity lab.Validity  `json:"validity"`
	Reason   string        `json:"reason,omitempty"` // as the gates recorded it
}

// Section holds the figures of one scenario under one load. A scenario with several closed or open
// loops has a section for each pair of them.
type Section struct {
	Scenario    string    `json:"scenario"`
	CPUs        int64     `json:"server_cpus,omitempty"` // 0 unless the scenario uses several numbers of CPUs
	ClosedPhase string    `json:"closed_loop,omitempty"` // the closed loop's name: "peak"
	Connections int64     `json:"connections,omitempty"` // the closed loop's
	OpenPhase   string    `json:"open_loop,omitempty"`   // the open loop's name: "steady"
	RatesRPS    []float64 `json:"offered_rps,omitempty"` // the open loop's; variants may have different ones
	DeadlineMS  float64   `json:"deadline_ms,omitempty"` // the goodput's in the open loop
	// ArrivingClients says that the closed loop has a fixed number of clients.
	ArrivingClients bool   `json:"arriving_clients,omitempty"`
	Search          bool   `json:"search,omitempty"` // the open loop is a search for a capacity
	Lines           []Line `json:"variants"`         // one for each variant, sorted by its name
}

// Line holds one variant's figures in a section. They come from rows that count; a figure without
// such a row is nil.
type Line struct {
	Variant string `json:"variant"`
	Valid   int    `json:"valid_trials"` // trials in which every phase of the section is valid or a bound
	Trials  int    `json:"trials"`
	// Served is the closed loop's throughput in requests per second; without a closed loop, the
	// highest rate that kept the SLO, or the goodput. It is a bound if a row is censored.
	Served *Figure `json:"served_rps"`
	// RatioToFirst is the median over blocks of Served / the first line's; nil if either is a bound.
	RatioToFirst *float64 `json:"to_first"`
	// P50MS and P99MS are the open loop's, from the intended send time; else a ladder's, from the
	// actual one.
	P50MS       *Figure `json:"latency_p50_ms"`
	P99MS       *Figure `json:"latency_p99_ms"`
	CPUUS       *Figure `json:"cpu_us_per_request"` // of the open loop, or else of the closed one
	MemoryMiB   *Figure `json:"memory_peak_mib"`    // highest of each trial
	ColdStartMS *Figure `json:"cold_start_ms"`      // one of each trial
	// Failed is the failed share of the requests in the worst row that counts; nil if none counts.
	Failed *float64 `json:"failed_ratio"`
}

// Figure is the median and range of N trials, with the value of each.
type Figure struct {
	N       int     `json:"n"`
	Median  float64 `json:"median"`
	Lowest  float64 `json:"lowest"`
	Highest float64 `json:"highest"`
	Bound   bool    `json:"bound,omitempty"` // the true value is Median or more
	// Mean is the geometric mean, and Low and High its individual 95 % interval; nil if a trial is a
	// bound or not positive, or if there are fewer than two.
	Mean   *float64     `json:"mean"`
	Low    *float64     `json:"ci95_low"`
	High   *float64     `json:"ci95_high"`
	Trials []TrialValue `json:"values"`
}

// TrialValue is the value of one trial.
type TrialValue struct {
	Block   int          `json:"block"`
	Attempt int          `json:"attempt"`
	Value   float64      `json:"value"`
	Bound   metric.Bound `json:"bound,omitempty"`
}

// LoadPoint is the latency of an attack at one offered rate: of an open loop, or of a step of a
// search.
type LoadPoint struct {
	lab.TrialID
	Phase      string       `json:"phase"`
	Step       int          `json:"step,omitempty"`  // of a search, from 1
	Stage      string       `json:"stage,omitempty"` // of a search: "exponential"
	OfferedRPS float64      `json:"offered_rps"`
	P50MS      *float64     `json:"latency_p50_ms"`
	P99MS      *float64     `json:"latency_p99_ms"`
	GoodputRPS *float64     `json:"goodput_rps,omitempty"`
	SLOMet     *bool        `json:"slo_met,omitempty"` // of a search
	Validity   lab.Validity `json:"validity"`          // of the phase
}

// Distribution is the distribution of the latencies of one phase of a trial.
type Distribution struct {
	lab.TrialID
	Phase string `json:"phase"`
	// FromIntendedSend says that latencies count from the intended send time; else from the actual one.
	FromIntendedSend bool         `json:"from_intended_send"`
	OfferedRPS       *float64     `json:"offered_rps,omitempty"`
	Validity         lab.Validity `json:"validity"`
	Count            int64        `json:"count"`
	Quantiles        []Quantile   `json:"quantiles"` // ascending; those with at least ten samples beyond
}

// Quantile is the latency that a share of the requests did not exceed.
type Quantile struct {
	Share float64 `json:"share"` // 0.99
	MS    float64 `json:"ms"`
}

// Timeline holds the seconds of one attack, a warm-up included.
type Timeline struct {
	lab.TrialID
	Phase   string   `json:"phase"`
	Mode    string   `json:"mode"` // "open" or "closed"
	Seconds []Second `json:"seconds"`
}

// Second holds the figures of one second of an attack.
type Second struct {
	Second    int      `json:"second"` // from 0
	Sent      int64    `json:"sent"`
	Succeeded int64    `json:"succeeded"`
	Failed    int64    `json:"failed"`
	P50MS     *float64 `json:"latency_p50_ms"`
	P99MS     *float64 `json:"latency_p99_ms"`
}
