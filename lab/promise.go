package lab

import (
	"fmt"
	"slices"
	"strings"
)

// Promise is a list of limits that every trial of a variant must keep. It is asked in
// one phase or in several of ascending load; a verdict then names the last phase up to
// which it is kept.
type Promise struct {
	Scenario string   `json:"scenario"`
	Profile  string   `json:"profile"` // the shortest profile that tests it by default
	Claim    string   `json:"claim"`   // a Claim's id
	Variant  string   `json:"variant"` // whose promise it is
	Cores    int      `json:"cores"`   // CPUs of the server: one of Scenario.Cores
	Phases   []string `json:"phases"`  // names of phases, the lowest load first
	Limits   []Limit  `json:"limits"`  // a trial keeps the promise where all of them hold
	// Broken says that the claim is supported if the variant breaks the promise.
	Broken bool `json:"broken,omitempty"`
	// HighestKeptBy is another variant. If it is set, only the last phase is judged up to which that
	// variant keeps the same promise on as many CPUs.
	HighestKeptBy string `json:"highest_kept_by,omitempty"`
}

// ID returns the promise in words: "json: node/single keeps latency_p99_ms <= 100 at
// steady-500, steady-1000".
func (p Promise) ID() string {
	verb := "keeps"
	if p.Broken {
		verb = "breaks"
	}
	text := fmt.Sprintf("%s: %s %s %s at ", p.Scenario, p.subject(), verb, p.LimitsText())
	if p.HighestKeptBy != "" {
		return text + "the highest that " + p.HighestKeptBy + " keeps of " + strings.Join(p.Phases, ", ")
	}
	return text + strings.Join(p.Phases, ", ")
}

// subject returns the variant, and its CPUs if they are several.
func (p Promise) subject() string {
	if p.Cores > 1 {
		return fmt.Sprintf("%s on %d CPUs", p.Variant, p.Cores)
	}
	return p.Variant
}

// LimitsText returns the limits in words: "latency_p99_ms <= 100 and error_ratio <= 0".
func (p Promise) LimitsText() string {
	words := make([]string, len(p.Limits))
	for i, l := range p.Limits {
		words[i] = l.String()
	}
	return strings.Join(words, " and ")
}

// Arm returns the promise's arm in one of its phases.
func (p Promise) Arm(phase string) Arm { return Arm{Variant: p.Variant, Phase: phase, Cores: p.Cores} }

// Other returns the same promise of the variant in HighestKeptBy.
func (p Promise) Other() Promise {
	p.Variant, p.HighestKeptBy, p.Broken = p.HighestKeptBy, "", false
	return p
}

// Arms returns what must be measured: the variant in all phases, and so the other variant
// if there is one.
func (p Promise) Arms() (arms []Arm) {
	for _, phase := range p.Phases {
		arms = append(arms, p.Arm(phase))
	}
	if p.HighestKeptBy != "" {
		arms = append(arms, p.Other().Arms()...)
	}
	return arms
}

// Limit is what a promise asks of one metric. A figure that equals the limit keeps it.
type Limit struct {
	Metric  string  `json:"metric"`             // a column of trials.csv
	AtLeast bool    `json:"at_least,omitempty"` // the figure must be Value or more; otherwise Value or less
	Value   float64 `json:"value"`
}

func (l Limit) String() string {
	if l.AtLeast {
		return fmt.Sprintf("%s >= %v", l.Metric, l.Value)
	}
	return fmt.Sprintf("%s <= %v", l.Metric, l.Value)
}

// Holds reports whether a figure keeps the limit.
func (l Limit) Holds(figure float64) bool {
	if l.AtLeast {
		return figure >= l.Value
	}
	return figure <= l.Value
}

// Test is what hypotheses and promises have in common: what a run measures to judge a
// claim.
type Test struct {
	Scenario, Profile, Claim string
	Arms                     []Arm
}

// Tests returns the tests of hypotheses, and after them those of promises.
func Tests(hypotheses []Hypothesis, promises []Promise) (all []Test) {
	for _, h := range hypotheses {
		all = append(all, Test{h.Scenario, h.Profile, h.Claim, h.Arms()})
	}
	for _, p := range promises {
		all = append(all, Test{p.Scenario, p.Profile, p.Claim, p.Arms()})
	}
	return all
}

// ClaimsOf returns the ids of the claims of tests, each once.
func ClaimsOf(tests []Test) (ids []string) {
	for _, t := range tests {
		if !slices.Contains(ids, t.Claim) {
			ids = append(ids, t.Claim)
		}
	}
	return ids
}

// Keeping says whether a trial kept a promise.
type Keeping string

const (
	Kept      Keeping = "kept"
	Missed    Keeping = "missed"     // and the instrument cannot have caused it
	NotJudged Keeping = "not judged" // a figure is missing, or the instrument may have caused the miss
)

// PromiseVerdict is the result of one promise in one run.
type PromiseVerdict struct {
	Promise
	// Finding is that of all phases together: supported, refuted, or depends.
	Finding Finding `json:"verdict"`
	// KeptUpTo is the last phase up to which every phase was kept; empty if the first was not.
	KeptUpTo string `json:"kept_up_to,omitempty"`
	// Judged holds the phases in which the promise was judged, the lowest load first. If it is empty,
	// Reasons say why.
	Judged  []PromiseJudgement `json:"judged,omitempty"`
	Reasons []Reason           `json:"reasons,omitempty"`
}

// Findings returns the findings of the phases, or that of the promise if it was judged in none.
func (v PromiseVerdict) Findings() (all []Finding) {
	for _, j := range v.Judged {
		all = append(all, j.Finding)
	}
	if len(all) == 0 {
		return []Finding{v.Finding}
	}
	return all
}

// PromiseJudgement is the result of a promise in one phase.
type PromiseJudgement struct {
	Phase   string         `json:"phase"`
	Finding Finding        `json:"verdict"` // on the claim
	Trials  []PromiseTrial `json:"trials,omitempty"`
	// KeptShareLow is the share of trials that keep the promise at least: the lower limit of a one-sided
	// interval at Confidence. Nil if a trial was not judged, or if there is none.
	KeptShareLow *float64 `json:"kept_share_low"`
	// Confidence is the level of KeptShareLow and of the limits in None.
	Confidence float64     `json:"confidence,omitempty"`
	None       []NoneCount `json:"none,omitempty"`
	Reasons    []Reason    `json:"reasons,omitempty"`
}

// Count returns how many trials have a result.
func (j PromiseJudgement) Count(k Keeping) (n int) {
	for _, t := range j.Trials {
		if t.Result == k {
			n++
		}
	}
	return n
}

// PromiseTrial says whether one trial kept a promise, with its figures.
type PromiseTrial struct {
	Block   int           `json:"block"`
	Result  Keeping       `json:"result"`
	Figures []LimitFigure `json:"figures,omitempty"` // of the limits that have one that counts
}

// LimitFigure is the figure of a trial that a limit is about.
type LimitFigure struct {
	Metric string  `json:"metric"`
	Value  float64 `json:"value"`
	Bound  string  `json:"bound,omitempty"` // ">=" or "<=", if the true value may lie there
}

// NoneCount says that a count was 0 in all trials, and how rare what it counts is then.
type NoneCount struct {
	Metric string  `json:"metric"` // "error_ratio"
	Of     int64   `json:"of"`     // among how many: requests
	Most   float64 `json:"most"`   // upper limit of the share: about 3 / Of
}

// PromiseConfidence is the level of the one-sided limits that a promise's verdict has.
const PromiseConfidence = 0.95
