package lab

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Scenario is requests and how load is offered: one file under scenarios/.
type Scenario struct {
	Name     string    `json:"name"`     // "json"
	About    string    `json:"about"`    // one line for people
	File     string    `json:"file"`     // path of the script, as messages show it
	SHA256   string    `json:"sha256"`   // hash of the script, in hexadecimal
	Profile  string    `json:"profile"`  // the shortest profile that runs it by default
	Requests []Request `json:"requests"` // sent in turn, repeatedly
	Variants []string  `json:"variants"` // ids of the variants that it runs on, in order: "node/single"
	// LeftOut are the variants that the script selects without naming them, and that do not offer what
	// the scenario asks.
	LeftOut []LeftOutVariant `json:"left_out,omitempty"`
	Phases  []Phase          `json:"phases"` // in order; at most one warm-up, which comes first
	// Cores are the numbers of CPUs of a server, ascending. Each variant runs on each number.
	Cores    []int    `json:"cores"`
	Services []string `json:"services,omitempty"` // names of the services beside the server

	Hypotheses []Hypothesis `json:"hypotheses,omitempty"`
	Promises   []Promise    `json:"promises,omitempty"`
	// Parameters are the values, by name, that the script was evaluated with.
	Parameters map[string]string `json:"parameters,omitempty"`
}

// UnmarshalJSON reads a scenario. Labs before Services had only the upstream beside the server.
func (s *Scenario) UnmarshalJSON(text []byte) error {
	type plain Scenario
	older := struct {
		*plain
		Upstream bool `json:"upstream"`
	}{plain: (*plain)(s)}
	if err := json.Unmarshal(text, &older); err != nil {
		return err
	}
	if older.Upstream {
		s.Services = []string{UpstreamName}
	}
	return nil
}

// LeftOutVariant is a variant on which a scenario does not run.
type LeftOutVariant struct {
	Variant  string `json:"variant"`  // its id
	Workload string `json:"workload"` // a workload that the scenario asks and the variant does not offer
}

// String returns the variant and why it is left out: "bun/serve, which does not offer parallel".
func (v LeftOutVariant) String() string { return v.Variant + ", which does not offer " + v.Workload }

// Request is one HTTP request of a scenario or of a workload.
type Request struct {
	Method string            `json:"method"`
	Path   string            `json:"path"` // path and query: "/json"
	Header map[string]string `json:"headers,omitempty"`
	Body   []byte            `json:"body,omitempty"`

	// Background marks a request whose latency is not measured: it is there to
	// disturb the other requests.
	Background bool `json:"background,omitempty"`

	DatabaseWork
	Expect int          `json:"expect,omitempty"` // status that counts as success; 0: any 2xx
	Answer *Expectation `json:"answer,omitempty"` // what else makes the answer a success; nil: its workload does
	At     Place        `json:"at,omitzero"`      // position in the script
}

// DatabaseWork is what a successful answer takes of the database beside the server. It is zero where
// no workload says it.
type DatabaseWork struct {
	// Statements counts those on the tables of the service, however they are sent.
	Statements int `json:"statements,omitempty"`
	// Stores counts what the answer stores: an order is one.
	Stores int `json:"stores,omitempty"`
}

// PathOnly returns the path without the query.
func (r Request) PathOnly() string {
	path, _, _ := strings.Cut(r.Path, "?")
	return path
}

// Accepts reports whether status counts as success.
func (r Request) Accepts(status int) bool {
	if r.Expect != 0 {
		return status == r.Expect
	}
	return status >= 200 && status <= 299
}

// Place is a position in a script; Line and Column count from 1. The zero Place
// means that no script has it, or that the run was recorded by an older lab.
type Place struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// In returns the place with its file, as messages show it:
// "scenarios/json.star:4:17".
func (p Place) In(file string) string {
	if p == (Place{}) {
		return file
	}
	return fmt.Sprintf("%s:%d:%d", file, p.Line, p.Column)
}

// Answer is a server's answer to a Request.
type Answer struct {
	Status int               `json:"status"`
	Header map[string]string `json:"headers"` // lower-case names; values of a repeated header joined by ", "
	Body   []byte            `json:"body"`
	Error  string            `json:"error,omitempty"` // set if no answer came
}

// Arrivals is the distribution of the gaps between an open loop's requests.
type Arrivals string

const (
	Poisson  Arrivals = "poisson"  // exponential gaps, seeded: independent clients
	Constant Arrivals = "constant" // equal gaps
)

// Phase is one period of load in a trial. The profile sets its duration.
type Phase struct {
	// Name is unique in the scenario. It begins with the kind: "peak", "steps-2000".
	Name     string    `json:"name"`
	Kind     PhaseKind `json:"kind"`
	Requests []Request `json:"requests,omitempty"` // sent in turn instead of the scenario's
	// Connections is the number of connections in a closed loop, and the most in an open loop.
	Connections int `json:"connections"`
	// RateRPS is the offered rate of an open loop; of a ramp and a search, the first rate.
	RateRPS   float64    `json:"rate_rps,omitempty"`
	ToRPS     float64    `json:"to_rps,omitempty"`    // ramp only: the last rate
	PeakShare *PeakShare `json:"share,omitempty"`     // set if the rate is a share of a peak
	Arrivals  Arrivals   `json:"arrivals,omitempty"`  // open loop
	TimeoutS  float64    `json:"timeout_s,omitempty"` // of one request
	// DeadlineS is the time within which an answer of an open loop counts as goodput; 0: there is none.
	DeadlineS            float64     `json:"deadline_s,omitempty"`
	Objectives           []Objective `json:"objectives,omitempty"` // the phase's SLO
	ConnectionPerRequest bool        `json:"connection_per_request,omitempty"`
}

// ID returns the name of the phase in rows and files: Name, or the kind if it has none.
func (p Phase) ID() string { return cmp.Or(p.Name, string(p.Kind)) }

// RequestsOf returns the requests that a phase sends: its own, or else the scenario's.
func (s Scenario) RequestsOf(p Phase) []Request {
	if len(p.Requests) > 0 {
		return p.Requests
	}
	return s.Requests
}

// AllRequests returns the scenario's requests, followed by those of its phases.
func (s Scenario) AllRequests() []Request {
	all := slices.Clone(s.Requests)
	for _, p := range s.Phases {
		all = append(all, p.Requests...)
	}
	return all
}

// PhasesOf returns the phases that a trial of the scenario runs, its warm-up
// included.
func (s Scenario) PhasesOf(t Trial) []Phase {
	if len(t.Phases) == 0 {
		return s.Phases
	}
	return slices.DeleteFunc(slices.Clone(s.Phases), func(p Phase) bool {
		return !p.Kind.Traits().Discarded && !slices.Contains(t.Phases, p.ID())
	})
}

// PeakShare is a rate as a share of a peak, which a pilot measures once before the
// trials, or the trial itself.
type PeakShare struct {
	Fraction float64 `json:"of"` // 0.5: half
	// OfOwnPeak says that the peak is the variant's own. Otherwise it is that of the slowest variant, so
	// that all variants get the same rate.
	OfOwnPeak bool `json:"own"`
}

// OverloadShare is the share of a peak from which the queue grows without limit.
// Percentiles then depend on the duration; goodput does not.
const OverloadShare = 1.0

// Overloads reports whether a phase offers at least as much as its server can
// serve.
func (p Phase) Overloads() bool {
	return p.PeakShare != nil && p.PeakShare.OfOwnPeak && p.PeakShare.Fraction >= OverloadShare
}
