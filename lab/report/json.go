package report

import (
	"math"

	"runtimelab/lab"
	"runtimelab/lab/scaling"
)

// Data is the report for scripts, as JSON. A number that does not exist is null; ratios are
// numerator over denominator.
type Data struct {
	RunID  string `json:"run_id"`
	HostID string `json:"host_id"`
	Blocks int    `json:"blocks"`
	Trials int    `json:"trials"`
	Valid  int    `json:"valid_trials"`
	// Measured counts planned trials; a repeated trial counts once.
	Measured    int             `json:"measured_trials"`
	Planned     int             `json:"planned_trials"`
	Controls    []ControlData   `json:"controls"`
	Claims      []ClaimData     `json:"claims"`
	Scaling     []scaling.Curve `json:"scaling"`
	Figures     []SectionData   `json:"figures"`
	InvalidRows []string        `json:"not_valid"`
	Doubts      []string        `json:"doubts"`
}

// ControlData is a control and its result.
type ControlData struct {
	Name          string      `json:"name"`
	Passed        bool        `json:"passed"`
	ExpectedRatio float64     `json:"true"`
	Reason        string      `json:"reason"`
	Measured      VerdictData `json:"seen"`
}

// ClaimData is a claim, its verdict, and the verdicts on its hypotheses.
type ClaimData struct {
	ID         string        `json:"id"`
	Statement  string        `json:"says"`
	Collection string        `json:"collection,omitempty"` // whose claim it is: "the article"
	Verdict    lab.Finding   `json:"verdict"`
	Reason     string        `json:"reason"`
	Hypotheses []VerdictData `json:"hypotheses"`
}

// VerdictData is a hypothesis and its verdict.
type VerdictData struct {
	lab.Hypothesis
	Blocks       int         `json:"n_blocks"`
	Ratio        *float64    `json:"ratio"`
	Low          *float64    `json:"ci95_low"`
	High         *float64    `json:"ci95_high"`
	PHolm        *float64    `json:"p_holm"`
	PEquivalence *float64    `json:"p_equivalence"`
	PSignFlip    *float64    `json:"p_sign_flip"`
	Verdict      lab.Finding `json:"verdict"`
	Reason       string      `json:"reason"`
	BlocksNeeded int         `json:"blocks_needed,omitempty"`
	Sentence     string      `json:"words,omitempty"` // the verdict as text
}

// SectionData holds the figures of one scenario under one load.
type SectionData struct {
	Scenario    string     `json:"scenario"`
	CPUs        int64      `json:"server_cpus,omitempty"` // only if the scenario uses several numbers of CPUs
	ClosedPhase string     `json:"closed_loop,omitempty"`
	Connections int64      `json:"connections,omitempty"`
	OpenPhase   string     `json:"open_loop,omitempty"`
	RatesRPS    []float64  `json:"offered_rps,omitempty"`
	DeadlineMS  float64    `json:"deadline_ms,omitempty"`
	Lines       []LineData `json:"variants"`
}

// LineData holds one variant's figures.
type LineData struct {
	Variant      string      `json:"variant"`
	Valid        int         `json:"valid_trials"`
	Trials       int         `json:"trials"`
	Served       *FigureData `json:"served_rps"`
	RatioToFirst *float64    `json:"to_first"`
	P50MS        *FigureData `json:"latency_p50_ms"`
	P99MS        *FigureData `json:"latency_p99_ms"`
	CPUUS        *FigureData `json:"cpu_us_per_request"`
	MemoryMiB    *FigureData `json:"memory_peak_mib"`
	ColdStartMS  *FigureData `json:"cold_start_ms"`
	Failed       *float64    `json:"failed_ratio"` // see Line.Failed
}

// FigureData is the median and range of N trials.
type FigureData struct {
	N       int     `json:"n"`
	Median  float64 `json:"median"`
	Lowest  float64 `json:"lowest"`
	Highest float64 `json:"highest"`
	Bound   bool    `json:"bound,omitempty"` // true if the median is a lower bound
}

// Data returns the report as data.
func (r Report) Data() Data {
	s := r.Figures
	d := Data{
		RunID: s.RunID, HostID: s.HostID, Blocks: s.Blocks, Trials: s.Trials, Valid: s.Valid,
		Measured: r.Verdicts.Measured, Planned: r.Verdicts.Planned,
		// Empty lists, not nil, so that JSON has [] instead of null.
		Controls:    []ControlData{},
		Claims:      []ClaimData{},
		Scaling:     append([]scaling.Curve{}, r.Curves...),
		Figures:     []SectionData{},
		InvalidRows: append([]string{}, s.InvalidRows...),
		Doubts:      append([]string{}, r.doubts()...),
	}
	for _, c := range r.Verdicts.Controls {
		d.Controls = append(d.Controls,
			ControlData{c.Name, c.Passed, c.ExpectedRatio, c.Reason, verdictData(c.Verdict)})
	}
	for _, c := range r.Verdicts.Claims {
		claim := ClaimData{c.Claim.ID, c.Claim.Statement, c.Claim.Collection, c.Finding, c.Reason, []VerdictData{}}
		for _, v := range c.HypothesisVerdicts {
			claim.Hypotheses = append(claim.Hypotheses, verdictData(v))
		}
		d.Claims = append(d.Claims, claim)
	}
	for _, section := range s.Sections {
		d.Figures = append(d.Figures, section.data())
	}
	return d
}

func verdictData(v lab.Verdict) VerdictData {
	d := VerdictData{
		v.Hypothesis, v.Blocks, v.Ratio, v.Low, v.High, v.PHolm, v.PEquivalence, v.PSignFlip,
		v.Finding, v.Reason, v.BlocksNeeded, "",
	}
	if v.Finding != lab.NotEvaluated {
		d.Sentence = sentence(v)
	}
	return d
}

func (s Section) data() SectionData {
	d := SectionData{
		s.Scenario, s.CPUs, s.ClosedPhase, s.Connections, s.OpenPhase, s.RatesRPS, s.DeadlineMS,
		[]LineData{},
	}
	for _, l := range s.Lines {
		line := LineData{
			Variant: l.Variant, Valid: l.Valid, Trials: l.Trials,
			Served: l.Served.data(), P50MS: l.P50MS.data(), P99MS: l.P99MS.data(),
			CPUUS: l.CPUUS.data(), MemoryMiB: l.MemoryMiB.data(), ColdStartMS: l.ColdStartMS.data(), Failed: l.Failed,
		}
		if !math.IsNaN(l.RatioToFirst) {
			line.RatioToFirst = &l.RatioToFirst
		}
		d.Lines = append(d.Lines, line)
	}
	return d
}

func (f Figure) data() *FigureData {
	if f.N == 0 {
		return nil
	}
	return &FigureData{f.N, f.Median, f.Lowest, f.Highest, f.Bound}
}
