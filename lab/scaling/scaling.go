// Package scaling owns how throughput grows with the CPUs that a server is given:
// from the rows of a run to speed-up and efficiency, beside what CPU work without
// a runtime gains on the same CPUs (lab.Burn), and to the coefficients of the
// Universal Scalability Law where there are enough numbers of CPUs to tell them.
//
// It says nothing of what was not measured: a curve names the cores that it is of.
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
	Scenario    string   `json:"scenario"`
	Variant     string   `json:"variant"` // an id
	Phase       string   `json:"phase"`
	Metric      string   `json:"metric"` // the column that grows: throughput_rps, or capacity_rps of a search
	Points      []Point  `json:"points"` // by cores, ascending: two at least
	Fit         *Fit     `json:"fit"`    // nil where there is none
	NoFitReason string   `json:"reason,omitempty"`
	Doubts      []string `json:"doubts,omitempty"` // what weakens the figures
}

// Point is a curve at one number of CPUs. Ratios are of the same block; those to
// itself of the fewest cores are exactly 1.
type Point struct {
	Cores      int      `json:"cores"`
	Throughput Estimate `json:"throughput_rps"`
	SpeedUp    Estimate `json:"speed_up"` // throughput over that on the fewest cores
	// speed-up / (cores / fewest): 1 of what scales in a straight line
	Efficiency     Estimate `json:"efficiency"`
	BurnSpeedUp    Estimate `json:"burn_speed_up"` // of lab.Burn on as many
	RelativeToBurn Estimate `json:"relative"`      // speed-up over the burn's
}

// CoresNote says which cores a curve is of: "1 to 2 cores only".
func (c Curve) CoresNote() string {
	return fmt.Sprintf("%d to %d cores only", c.Points[0].Cores, c.Points[len(c.Points)-1].Cores)
}

// Curves are those of a run's rows, ordered by scenario, variant and phase: of
// every variant that closed loops for the peak, searches for a capacity, or ladders
// with clients enough for every CPU have measured on more than one number of CPUs.
// Other loads do not ask for all that a server has.
func Curves(rows []metric.Row) []Curve {
	all, burns := map[curveKey]series{}, series{}
	for _, r := range metric.UsableRows(rows) {
		s, ok := curveKeyOf(r)
		if !ok {
			continue
		}
		if all[s] == nil {
			all[s] = series{}
		}
		all[s].add(r, s.metric())
		if s.isBurn() {
			burns.add(r, s.metric())
		}
	}
	var curves []Curve
	for _, s := range slices.SortedFunc(maps.Keys(all), curveKey.compare) {
		beside := burns
		if s.isBurn() {
			beside = nil // it is what others are compared with
		}
		if c, ok := newCurve(s, all[s], beside); ok {
			curves = append(curves, c)
		}
	}
	return curves
}

// curveKey is what a curve is of.
type curveKey struct{ scenario, variant, phase string }

func curveKeyOf(r metric.Row) (s curveKey, ok bool) {
	s = curveKey{r.Text("scenario"), r.Text("variant"), r.Text("phase")}
	clients, _ := r.Int("connections")
	cpus, _ := r.Int("server_cpus")
	return s, s.kind() == lab.Peak || s.kind() == lab.Capacity || s.kind() == lab.Ladder &&
		clients >= minClientsPerCPU*cpus
}

// minClientsPerCPU is from where on a ladder asks for all that a server has
// (design.md, protocol point 13).
const minClientsPerCPU = 4

func (s curveKey) compare(o curveKey) int {
	return cmp.Or(cmp.Compare(s.scenario, o.scenario), cmp.Compare(s.variant, o.variant),
		cmp.Compare(s.phase, o.phase))
}

func (s curveKey) kind() lab.PhaseKind { return lab.PhaseKindOf(s.phase) }

func (s curveKey) metric() string {
	if s.kind() == lab.Capacity {
		return "capacity_rps"
	}
	return "throughput_rps"
}

func (s curveKey) isBurn() bool {
	return s.scenario == lab.BurnScenario && s.variant == lab.BurnVariant && s.kind() == lab.Peak
}

func newCurve(s curveKey, of, burns series) (Curve, bool) {
	counts := of.cores()
	if len(counts) < 2 {
		return Curve{}, false
	}
	c := Curve{Scenario: s.scenario, Variant: s.variant, Phase: s.phase, Metric: s.metric(), Doubts: of.doubts()}
	if why := burns.failing(); why != "" {
		c.Doubts = append(c.Doubts, "of the native burn: "+why)
	}
	for _, n := range counts {
		up, burn := of.speedUp(n, counts[0]), burns.speedUp(n, counts[0])
		p := Point{
			Cores: n, Throughput: newEstimate(of.byBlock(n)), SpeedUp: newEstimate(up),
			BurnSpeedUp: newEstimate(burn), RelativeToBurn: newEstimate(ratiosByBlock(up, burn)),
		}
		p.Efficiency = p.SpeedUp.scaledBy(float64(counts[0]) / float64(n))
		c.Points = append(c.Points, p)
		if doubt := superlinearDoubt(p); doubt != "" {
			c.Doubts = append(c.Doubts, doubt)
		}
	}
	c.Fit, c.NoFitReason = fitCurve(of, c)
	return c, true
}

// superlinearDoubt returns the doubt about a point whose efficiency is above 1 by its
// interval; empty where there is none. CPUs do not add more than themselves: a
// request is cheaper there for another reason, or the measurement is biased.
func superlinearDoubt(p Point) string {
	if p.Efficiency.Low == nil || *p.Efficiency.Low <= 1 {
		return ""
	}
	return fmt.Sprintf("efficiency on %d CPUs is above 1 by its interval (from %.3f): "+
		"more than these CPUs alone can give; compare cpu_us_per_request between the numbers of CPUs",
		p.Cores, *p.Efficiency.Low)
}
