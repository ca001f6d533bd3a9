package lab

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Scenario is a workload and how load is offered to it: one file under
// scenarios/.
type Scenario struct {
	Name     string    `json:"name"`     // "json"
	About    string    `json:"about"`    // one line for people
	File     string    `json:"file"`     // path of the script, as shown in messages
	SHA256   string    `json:"sha256"`   // of the script's bytes, in hexadecimal
	Profile  string    `json:"profile"`  // the shortest profile that runs it without being asked to
	Requests []Request `json:"requests"` // sent in turn, over and over
	Variants []string  `json:"variants"` // variant ids the scenario runs on, in order, resolved: "node/single"
	Phases   []Phase   `json:"phases"`   // in order: at most one warm-up, which comes first
	// CPUs that a server is given: each variant runs on each number of them, ascending
	Cores    []int `json:"cores"`
	Upstream bool  `json:"upstream"` // whether servers call the lab's upstream while they answer

	Hypotheses []Hypothesis `json:"hypotheses,omitempty"`
	// by name, the values that the script was evaluated with
	Parameters map[string]string `json:"parameters,omitempty"`
}

// Request is one HTTP request of a scenario or of the contract.
type Request struct {
	Method string            `json:"method"`
	Path   string            `json:"path"` // path and query: "/json"
	Header map[string]string `json:"headers,omitempty"`
	Body   []byte            `json:"body,omitempty"`

	// Background is load whose latency is not asked for: what it costs the
	// other requests is.
	Background bool `json:"background,omitempty"`

	Expect int   `json:"expect,omitempty"` // the status that counts as success; 0: any of 2xx
	At     Place `json:"at,omitzero"`      // where the script asks for it
}

// PathOnly returns the path without the query.
func (r Request) PathOnly() string {
	path, _, _ := strings.Cut(r.Path, "?")
	return path
}

// Accepts reports whether a status is a success.
func (r Request) Accepts(status int) bool {
	if r.Expect != 0 {
		return status == r.Expect
	}
	return status >= 200 && status <= 299
}

// Place is where something stands in a script, both from 1. The zero Place is
// of what no script asks for, or of a run that an earlier lab recorded.
type Place struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// In returns the place in a file as messages show it: "scenarios/json.star:4:17".
func (p Place) In(file string) string {
	if p == (Place{}) {
		return file
	}
	return fmt.Sprintf("%s:%d:%d", file, p.Line, p.Column)
}

// Answer is what a server answered to a Request.
type Answer struct {
	Status int               `json:"status"`
	Header map[string]string `json:"headers"` // lower-case names; values of a repeated header joined by ", "
	Body   []byte            `json:"body"`
	Error  string            `json:"error,omitempty"` // set when no answer came
}

// PhaseKind is what a phase is for.
type PhaseKind string

const (
	WarmUp PhaseKind = "warmup" // closed loop, discarded, until throughput is steady
	Peak   PhaseKind = "peak"   // closed loop: the highest throughput
	Ladder PhaseKind = "ladder" // closed loop: so many clients at once, whatever limits them
	Steady PhaseKind = "steady" // open loop at a fixed rate: latency
	Steps  PhaseKind = "steps"  // one of several rates, each an open loop for a shorter time
	Ramp   PhaseKind = "ramp"   // open loop whose rate goes in a straight line

	Capacity PhaseKind = "capacity" // open loops: a search for the highest rate that keeps the SLO
)

// PhaseKindOf is the kind of a phase that is known by its name only, as in rows: what
// the name begins with.
func PhaseKindOf(phase string) PhaseKind {
	kind, _, _ := strings.Cut(phase, "-")
	return PhaseKind(kind)
}

// IsOpenLoop reports whether a phase sends by a schedule, whatever became of the
// requests before.
func (k PhaseKind) IsOpenLoop() bool { return k == Steady || k == Steps || k == Ramp || k == Capacity }

// Arrivals is how an open loop spaces its requests.
type Arrivals string

const (
	Poisson  Arrivals = "poisson"  // exponential gaps, seeded: independent clients
	Constant Arrivals = "constant" // equal gaps
)

// Phase is one stretch of load. How long it lasts is the profile's to say.
type Phase struct {
	// unique in its scenario: the kind, and what tells it from others of the kind: "peak", "steps-2000"
	Name     string    `json:"name"`
	Kind     PhaseKind `json:"kind"`
	Requests []Request `json:"requests,omitempty"` // sent in turn instead of the scenario's
	// closed loop: how many; open loop: at most this many
	Connections int `json:"connections"`
	// open loop: requests offered per second; at first, of a ramp and a search
	RateRPS   float64    `json:"rate_rps,omitempty"`
	ToRPS     float64    `json:"to_rps,omitempty"`    // ramp only: at last
	PeakShare *PeakShare `json:"share,omitempty"`     // where the rate follows from a peak
	Arrivals  Arrivals   `json:"arrivals,omitempty"`  // open loop
	TimeoutS  float64    `json:"timeout_s,omitempty"` // of one request
	// open loop: answers within it are goodput; 0: there is none
	DeadlineS            float64     `json:"deadline_s,omitempty"`
	Objectives           []Objective `json:"objectives,omitempty"` // together the phase's SLO
	ConnectionPerRequest bool        `json:"connection_per_request,omitempty"`
}

// ID is how rows and files know a phase: its name, or its kind where it has none.
func (p Phase) ID() string { return cmp.Or(p.Name, string(p.Kind)) }

// RequestsOf is what a phase sends: its own requests, or the scenario's.
func (s Scenario) RequestsOf(p Phase) []Request {
	if len(p.Requests) > 0 {
		return p.Requests
	}
	return s.Requests
}

// AllRequests are the scenario's requests, and after them those that its phases
// have of their own.
func (s Scenario) AllRequests() []Request {
	all := slices.Clone(s.Requests)
	for _, p := range s.Phases {
		all = append(all, p.Requests...)
	}
	return all
}

// PhasesOf are the phases that a trial of the scenario goes through, its warm-up
// included.
func (s Scenario) PhasesOf(t Trial) []Phase {
	if len(t.Phases) == 0 {
		return s.Phases
	}
	return slices.DeleteFunc(slices.Clone(s.Phases), func(p Phase) bool {
		return p.Kind != WarmUp && !slices.Contains(t.Phases, p.ID())
	})
}

// PeakShare is a rate as a share of a peak, which a pilot finds before the run, once, or
// a trial itself.
type PeakShare struct {
	Fraction  float64 `json:"of"`  // 0.5: half
	OfOwnPeak bool    `json:"own"` // of each variant's own peak; else of the slowest variant's, for all alike
}

// OverloadShare is the share from which a queue grows for as long as one looks:
// percentiles say nothing there, goodput does.
const OverloadShare = 1.0

// Overloads reports whether a phase offers as much as its server can serve, or
// more.
func (p Phase) Overloads() bool {
	return p.PeakShare != nil && p.PeakShare.OfOwnPeak && p.PeakShare.Fraction >= OverloadShare
}
