// Package scaling computes from a run's rows how throughput grows with the CPUs of a server:
// speed-up and efficiency, compared with the native burn (lab.BurnVariant), which is CPU work
// without a runtime. With enough numbers of CPUs it fits the Universal Scalability Law.
//
// Every curve names the numbers of CPUs that were measured.
package scaling

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// Curve is one variant in one phase on several numbers of CPUs.
type Curve struct {
	Scenario string       `json:"scenario"`
	Variant  string       `json:"variant"` // an id
	Phase    string       `json:"phase"`
	Metric   string       `json:"metric"` // throughput_rps, or capacity_rps for a search
	Points   []Point      `json:"points"` // by cores, ascending; at least two
	Fit      *Fit         `json:"fit"`    // nil without a fit, for the reasons in NoFit
	NoFit    []lab.Reason `json:"no_fit,omitempty"`
	Doubts   []lab.Reason `json:"doubts,omitempty"` // what weakens the figures
}

// Point is a curve at one number of CPUs. Ratios are taken within a block; at the fewest cores
// they are exactly 1.
type Point struct {
	Cores      int      `json:"cores"`
	Throughput Estimate `json:"throughput_rps"`
	SpeedUp    Estimate `json:"speed_up"` // throughput over that on the fewest cores
	// Efficiency is speed-up / (cores / fewest): 1 for linear scaling.
	Efficiency     Estimate `json:"efficiency"`
	BurnSpeedUp    Estimate `json:"burn_speed_up"` // of the burn on the same cores
	RelativeToBurn Estimate `json:"relative"`      // speed-up over that of the burn
}

// CoresNote returns the range of cores that were measured, such as "1 to 2 cores only".
func (c Curve) CoresNote() string {
	return fmt.Sprintf("%d to %d cores only", c.Points[0].Cores, c.Points[len(c.Points)-1].Cores)
}

// Curves returns a curve for each variant measured on more than one number of CPUs, in phases
// that can use all of them: peaks, capacities, and ladders with enough clients. They are
// ordered by scenario, variant and phase.
func Curves(rows []metric.Row) []Curve {
	byKey, burns := map[curveKey]series{}, series{}
	for _, r := range metric.UsableRows(rows) {
		key, ok := curveKeyOf(r)
		if !ok {
			continue
		}
		if byKey[key] == nil {
			byKey[key] = series{}
		}
		byKey[key].add(r, key.metric())
		if key.isBurn() {
			burns.add(r, key.metric())
		}
	}
	var curves []Curve
	for _, key := range slices.SortedFunc(maps.Keys(byKey), curveKey.compare) {
		reference := burns
		if key.isBurn() {
			reference = nil // the burn is not compared with itself
		}
		if c, ok := newCurve(key, byKey[key], reference); ok {
			curves = append(curves, c)
		}
	}
	return curves
}

// curveKey identifies a curve.
type curveKey struct {
	scenario, variant, phase string
	kind                     lab.PhaseKind
}

// curveKeyOf returns the key of a row. ok is false for a phase whose load may be too small for
// all CPUs.
func curveKeyOf(r metric.Row) (key curveKey, ok bool) {
	key = curveKey{r.Text("scenario"), r.Text("variant"), r.Text("phase"), lab.PhaseKind(r.Text("phase_kind"))}
	clients, _ := r.Int("connections")
	cpus, _ := r.Int("server_cpus")
	traits := key.kind.Traits()
	return key, traits.FindsPeak || traits.FindsCapacity() ||
		traits.Pacing == lab.ArrivingClients && clients >= minClientsPerCPU*cpus
}

// minClientsPerCPU is the number of clients for each CPU from which a ladder can saturate a
// server (lab/METHOD.md, "Numbers of CPUs").
const minClientsPerCPU = 4

func (s curveKey) compare(o curveKey) int {
	return cmp.Or(cmp.Compare(s.scenario, o.scenario), cmp.Compare(s.variant, o.variant),
		cmp.Compare(s.phase, o.phase))
}

// metric returns the column whose values make the curve.
func (s curveKey) metric() string { return s.kind.Traits().Headline }

func (s curveKey) isBurn() bool {
	return s.scenario == lab.BurnScenario && s.variant == lab.BurnVariant && s.kind.Traits().FindsPeak
}

// newCurve returns the curve of a series, compared with the burn's; false for fewer than two
// numbers of CPUs.
func newCurve(key curveKey, s, burns series) (Curve, bool) {
	counts := s.coreCounts()
	if len(counts) < 2 {
		return Curve{}, false
	}
	c := Curve{
		Scenario: key.scenario, Variant: key.variant, Phase: key.phase, Metric: key.metric(),
		Doubts: s.doubts(),
	}
	for _, doubt := range burns.failureDoubt() {
		doubt.Subject = "the native burn"
		c.Doubts = append(c.Doubts, doubt)
	}
	for _, n := range counts {
		speedUp, burn := s.speedUp(n, counts[0]), burns.speedUp(n, counts[0])
		p := Point{
			Cores: n, Throughput: newEstimate(s.byBlock(n)), SpeedUp: newEstimate(speedUp),
			BurnSpeedUp: newEstimate(burn), RelativeToBurn: newEstimate(ratiosByBlock(speedUp, burn)),
		}
		p.Efficiency = p.SpeedUp.scaledBy(float64(counts[0]) / float64(n))
		c.Points = append(c.Points, p)
		// CPUs alone cannot give this: requests are cheaper for another reason, or the measurement is
		// biased.
		if low := p.Efficiency.Low; low != nil && *low > 1 {
			c.Doubts = append(c.Doubts, lab.Reason{Kind: lab.Superlinear, Total: n, Value: *low})
		}
	}
	c.Fit, c.NoFit = fitCurve(s, c)
	return c, true
}
