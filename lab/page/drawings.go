package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/chart"
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
	"runtimelab/lab/report"
	"runtimelab/lab/scaling"
)

// drawings are the charts of a report, by section of the page.
type drawings struct {
	throughput, latency, load, scaling, cost, time, validity []chart.Chart
}

// draw draws the charts of a report, without those of claims.
func draw(r report.Report) drawings {
	p := newPalette(r)
	return drawings{
		throughput: p.throughput(r), latency: p.latencies(r), load: p.loads(r), scaling: p.scaling(r),
		cost: p.costs(r), time: p.timelines(r), validity: validityStrips(r),
	}
}

// all returns the charts in the order of the page.
func (d drawings) all() []chart.Chart {
	return slices.Concat(d.throughput, d.latency, d.load, d.scaling, d.cost, d.time, d.validity)
}

// throughput returns a dot plot of each section whose variants served anything.
func (p palette) throughput(r report.Report) (charts []chart.Chart) {
	for i, s := range r.Figures {
		var rows []chart.DotRow
		marks := 0
		for _, l := range s.Lines {
			rows = append(rows, p.dotRow(l.Variant, l.Served))
			marks += len(rows[len(rows)-1].Trials)
		}
		if marks > 0 {
			charts = append(charts,
				chart.Dots(fmt.Sprintf("throughput-%d-%s", i+1, fileName(s.Scenario)), servedTitle(s),
					"requests/s", rows))
		}
	}
	return charts
}

// cellName returns the scenario of a section, with its CPUs if there are several numbers of them.
func cellName(s report.Section) string {
	if s.CPUs > 0 {
		return s.Scenario + " on " + message.Count(int(s.CPUs), "CPU", "CPUs")
	}
	return s.Scenario
}

// phaseName returns the phase whose throughput a section shows.
func phaseName(s report.Section) string {
	if phase := cmp.Or(s.ClosedPhase, s.OpenPhase); phase != "" {
		return ": " + phase
	}
	return ""
}

// servedTitle says what the throughput of a section is.
func servedTitle(s report.Section) string {
	title := cellName(s) + phaseName(s)
	switch {
	case s.ArrivingClients:
		title += ", " + message.Count(int(s.Connections), "client", "clients")
	case s.ClosedPhase != "":
		title += ", " + message.Count(int(s.Connections), "connection", "connections")
	case s.Search:
		title += ", highest rate that kept the SLO"
	case s.DeadlineMS > 0:
		title += ", goodput"
	}
	return title
}

// dotRow returns the trials of a variant as dots.
func (p palette) dotRow(variant string, f *report.Figure) chart.DotRow {
	row := chart.DotRow{Series: p.series(variant)}
	if f == nil || f.N == 0 {
		return row
	}
	row.Interval = chart.Interval{Low: f.Low, High: f.High}
	if !f.Bound {
		row.Median = &f.Median
	}
	for _, t := range f.Trials {
		row.Trials = append(row.Trials, chart.Value{
			X: t.Value, Bound: boundOf(t.Bound),
			Tooltip: fmt.Sprintf("%s, block %d: %s%s", variant, t.Block, boundSign(t.Bound),
				report.FormatDigits(t.Value)),
		})
	}
	return row
}

func boundOf(b metric.Bound) chart.Bound {
	switch b {
	case metric.AtLeast:
		return chart.AtLeast
	case metric.AtMost:
		return chart.AtMost
	}
	return chart.Exact
}

func boundSign(b metric.Bound) string {
	switch b {
	case metric.AtLeast:
		return "≥ "
	case metric.AtMost:
		return "≤ "
	}
	return ""
}

// cellKey is what one chart of latencies or seconds shows.
type cellKey struct {
	scenario string
	cores    int
	phase    string
}

func keyOf(t lab.TrialID, phase string) cellKey { return cellKey{t.Scenario, t.Cores, phase} }

// String returns the key as a title.
func (k cellKey) String() string {
	name := k.scenario
	if k.cores > 1 {
		name += " on " + message.Count(k.cores, "CPU", "CPUs")
	}
	return name + ": " + k.phase
}

func (k cellKey) fileName(kind string) string {
	return fmt.Sprintf("%s-%s-c%d-%s", kind, fileName(k.scenario), k.cores, fileName(k.phase))
}

// grouped calls draw with the values of each key, in the order of each key's first value.
func grouped[V any](values []V, key func(V) (cellKey, bool), draw func(cellKey, []V)) {
	var keys []cellKey
	byKey := map[cellKey][]V{}
	for _, v := range values {
		k, ok := key(v)
		if !ok {
			continue
		}
		if byKey[k] == nil {
			keys = append(keys, k)
		}
		byKey[k] = append(byKey[k], v)
	}
	slices.SortStableFunc(keys, func(a, b cellKey) int {
		return cmp.Or(cmp.Compare(a.scenario, b.scenario), cmp.Compare(a.cores, b.cores))
	})
	for _, k := range keys {
		draw(k, byKey[k])
	}
}

// counts reports whether the figures of a phase count.
func counts(v lab.Validity) bool { return v == lab.Valid || v == lab.Censored }

// latencies returns a chart of percentiles of each phase, a line for each trial that counts. It leaves
// out peaks, whose latency follows from their throughput and connections.
func (p palette) latencies(r report.Report) (charts []chart.Chart) {
	peaks := map[cellKey]bool{}
	for _, a := range r.Attempts {
		for _, phase := range a.Phases {
			peaks[keyOf(a.TrialID, phase.Phase)] = phase.Kind.Traits().FindsPeak
		}
	}
	grouped(r.Latencies, func(d report.Distribution) (cellKey, bool) {
		k := keyOf(d.TrialID, d.Phase)
		return k, !peaks[k] && counts(d.Validity) && !isControl(d.Variant) && len(d.Quantiles) > 0
	}, func(k cellKey, all []report.Distribution) {
		sortByVariant(all, func(d report.Distribution) string { return d.Variant })
		var lines []chart.Line
		for _, d := range all {
			l := chart.Line{Series: p.series(d.Variant), Tooltip: fmt.Sprintf("%s, block %d", d.Variant, d.Block)}
			for _, q := range d.Quantiles {
				if q.Share < 1 && q.MS > 0 {
					l.Points = append(l.Points, chart.XY{X: chart.Nines(q.Share), Y: q.MS})
				}
			}
			if len(l.Points) > 0 {
				lines = append(lines, l)
			}
		}
		from := "from the actual send"
		if all[0].FromIntendedSend {
			from = "from the intended send"
		}
		charts = append(charts, chart.Percentiles(k.fileName("latency"), k.String()+", "+from, lines))
	})
	return charts
}

func sortByVariant[V any](all []V, variant func(V) string) {
	slices.SortStableFunc(all, func(a, b V) int { return cmp.Compare(variant(a), variant(b)) })
}

// loads returns a chart of latency against the offered rate of each scenario with several rates: steps,
// or a search.
func (p palette) loads(r report.Report) (charts []chart.Chart) {
	grouped(r.Loads, func(l report.LoadPoint) (cellKey, bool) {
		usable := l.P99MS != nil && *l.P99MS > 0 && counts(l.Validity) && !isControl(l.Variant)
		return cellKey{l.Scenario, l.Cores, ""}, usable
	}, func(k cellKey, all []report.LoadPoint) {
		rates := map[string]map[float64]bool{}
		most := 0
		for _, l := range all {
			if rates[l.Variant] == nil {
				rates[l.Variant] = map[float64]bool{}
			}
			rates[l.Variant][l.OfferedRPS] = true
			most = max(most, len(rates[l.Variant]))
		}
		if most < 2 {
			return
		}
		sortByVariant(all, func(l report.LoadPoint) string { return l.Variant })
		var points []chart.LoadPoint
		for _, l := range all {
			points = append(points, chart.LoadPoint{
				Series: p.series(l.Variant), RPS: l.OfferedRPS, MS: *l.P99MS, Missed: l.SLOMet != nil && !*l.SLOMet,
				Tooltip: fmt.Sprintf("%s, block %d, %s/s: p99 %s ms", l.Variant, l.Block,
					report.FormatDigits(l.OfferedRPS), report.FormatDigits(*l.P99MS)),
			})
		}
		charts = append(charts, chart.LatencyAgainstLoad(k.fileName("load"),
			strings.TrimSuffix(k.String(), ": ")+": latency against load", "p99", points))
	})
	return charts
}

// scaling returns a chart of each scenario and phase with curves.
func (p palette) scaling(r report.Report) (charts []chart.Chart) {
	grouped(r.Scaling, func(c scaling.Curve) (cellKey, bool) {
		return cellKey{c.Scenario, 0, c.Phase}, true
	}, func(k cellKey, all []scaling.Curve) {
		var curves []chart.ScalingCurve
		var burn []chart.XY
		for _, c := range all {
			curve, native := p.curve(c)
			curves = append(curves, curve)
			if len(native) > len(burn) {
				burn = native
			}
		}
		charts = append(charts,
			chart.Scaling("scaling-"+fileName(k.scenario)+"-"+fileName(k.phase), k.String(), curves, burn))
	})
	return charts
}

// curve returns a curve and the native burn beside it.
func (p palette) curve(c scaling.Curve) (curve chart.ScalingCurve, burn []chart.XY) {
	curve.Series = p.series(c.Variant)
	for i, pt := range c.Points {
		if v := pt.BurnSpeedUp.Value; v != nil {
			burn = append(burn, chart.XY{X: float64(pt.Cores), Y: *v})
		} else if i == 0 {
			burn = append(burn, chart.XY{X: float64(pt.Cores), Y: 1})
		}
		if v := pt.SpeedUp.Value; v != nil {
			curve.Points = append(curve.Points, chart.ScalingPoint{
				CPUs: pt.Cores, SpeedUp: *v, Interval: chart.Interval{Low: pt.SpeedUp.Low, High: pt.SpeedUp.High},
				Bound: boundOf(pt.SpeedUp.Bound),
				Tooltip: fmt.Sprintf("%s on %s: %s%.2fx", c.Variant, message.Count(pt.Cores, "CPU", "CPUs"),
					boundSign(pt.SpeedUp.Bound), *v),
			})
		}
	}
	if len(burn) < 2 {
		burn = nil
	}
	if f := c.Fit; f != nil && f.Sigma.Value != nil && f.Kappa.Value != nil {
		first, last := c.Points[0].Cores, c.Points[len(c.Points)-1].Cores
		curve.Law = &chart.ScalingLaw{
			Law:  law(first, last, *f.Sigma.Value, *f.Kappa.Value),
			High: law(first, last, orZero(f.Sigma.Low), orZero(f.Kappa.Low)),
			Low:  law(first, last, or(f.Sigma.High, *f.Sigma.Value), or(f.Kappa.High, *f.Kappa.Value)),
		}
	}
	return curve, burn
}

func or(x *float64, otherwise float64) float64 {
	if x == nil {
		return otherwise
	}
	return *x
}

func orZero(x *float64) float64 { return or(x, 0) }

// law returns the speed-up over the first number of CPUs by the Universal Scalability Law.
func law(first, last int, sigma, kappa float64) (points []chart.XY) {
	at := func(n float64) float64 { return n / (1 + sigma*(n-1) + kappa*n*(n-1)) }
	const steps = 24
	for i := range steps + 1 {
		n := float64(first) + float64(last-first)*float64(i)/steps
		points = append(points, chart.XY{X: n, Y: at(n) / at(float64(first))})
	}
	return points
}

// fileName returns a part of a file's name: letters, digits and dashes only.
func fileName(s string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '-'
	}, s), "-")
}
