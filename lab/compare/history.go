package compare

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
	"runtimelab/lab/record"
	"runtimelab/lab/stat"
	"runtimelab/lab/wording"
)

// LineVariance is the variance of a line's mean between runs.
type LineVariance struct {
	Variance float64        `json:"variance"` // of the log of the mean if the line is compared by ratio
	Runs     int            `json:"runs"`     // that it was estimated from
	Source   VarianceSource `json:"of"`
}

// VarianceSource says where the variance between runs of a line comes from.
type VarianceSource string

const (
	// FromLine is the variance of the line itself in other runs.
	FromLine VarianceSource = "line"
	// FromMetric is the pooled variance of lines of the same metric: the line has too few runs.
	FromMetric VarianceSource = "metric"
	// FromReferences is the variance of reference servers: the metric has too few runs, too.
	FromReferences VarianceSource = "references"
	// FromSameRun means no variance: both sides are the same run.
	FromSameRun VarianceSource = "one run"
)

// estimate returns the variance with its degrees of freedom: runs less one. A variance that
// is an allowance instead of an estimate counts as known.
func (v LineVariance) estimate() stat.Variance {
	if v.Runs < MinRuns {
		return stat.Variance{Value: v.Variance, DF: math.Inf(1)}
	}
	return stat.Variance{Value: v.Variance, DF: float64(v.Runs - 1)}
}

// UsableAsHistory reports whether a run can show how much runs like another one vary: it is
// complete and of the same host, profile and generator. Trials of other profiles last longer.
func UsableAsHistory(run, like *record.Info) bool {
	return run != nil && like != nil && run.State == record.Done && run.Host.Same(like.Host) &&
		run.Profile == like.Profile && run.Plan.Generator == like.Plan.Generator
}

// history holds the other runs of the host that show how much a comparison's lines vary.
type history struct {
	old        *Run
	info       *record.Info // of the old run, or of the new one if the old one has none
	runs       []*Run
	keys       []Key // of the comparison
	references ReferenceVariance
	similar    map[Key][]*group         // cache of similarGroups
	byMetric   map[string]stat.Variance // cache of metricVariance
}

func newHistory(old, new *Run, others []*Run, references ReferenceVariance) *history {
	h := &history{
		old: old, info: cmp.Or(old.Info, new.Info), keys: sharedKeys(old, new, Key.isResult),
		references: references,
		similar:    map[Key][]*group{}, byMetric: map[string]stat.Variance{},
	}
	if old.gaps.has("host_id") || new.gaps.has("host_id") {
		return h // other runs may be of another host
	}
	seen := []string{old.ID(), new.ID()}
	for _, r := range others {
		if UsableAsHistory(r.Info, h.info) && sameHost(r, old) && !slices.Contains(seen, r.ID()) {
			h.runs, seen = append(h.runs, r), append(seen, r.ID())
		}
	}
	return h
}

// varianceOf returns the variance between runs of a line: of its own means in other runs if
// there are MinRuns, else of its metric's lines, else of the reference servers.
//
// The variance within runs is not subtracted. With few runs the difference is zero by chance
// half of the time; three runs then gave six times the promised false alarms. So the
// variance is too large, by a factor of two at most for runs that do not differ.
func (h *history) varianceOf(k Key, p pair) LineVariance {
	if p.sameRun {
		return LineVariance{Source: FromSameRun}
	}
	m := p.old.metric
	if means := h.runMeans(k, m.Name, p.scale()); means.N >= MinRuns {
		return LineVariance{Variance: means.SD() * means.SD(), Runs: means.N, Source: FromLine}
	}
	if pooled := h.metricVariance(m); p.scale() == naturalScale(m) && pooled.DF > 0 {
		return LineVariance{Variance: pooled.Value, Runs: int(pooled.DF) + 1, Source: FromMetric}
	}
	scale := 1.0
	if p.scale() == DifferenceScale { // the delta method: the variance of a mean from that of its log
		scale = max(math.Abs(p.old.moments.Mean), math.Abs(p.new.moments.Mean))
	}
	return LineVariance{
		Variance: h.references.VarianceLog * scale * scale, Runs: h.references.Runs,
		Source: FromReferences,
	}
}

// metricVariance returns the variance between runs pooled over all lines of a metric with
// enough runs. Lines of a run are fast or slow together, so it has the degrees of freedom of
// the fewest runs, not of all lines.
func (h *history) metricVariance(m metric.Metric) stat.Variance {
	if pooled, ok := h.byMetric[m.Name]; ok {
		return pooled
	}
	squares, degrees, fewest := 0.0, 0, 0
	for _, k := range h.keys {
		if means := h.runMeans(k, m.Name, naturalScale(m)); means.N >= MinRuns {
			squares += means.M2
			degrees += means.N - 1
			fewest = min(cmp.Or(fewest, means.N), means.N)
		}
	}
	pooled := stat.Variance{}
	if degrees > 0 {
		pooled = stat.Variance{Value: squares / float64(degrees), DF: float64(fewest - 1)}
	}
	h.byMetric[m.Name] = pooled
	return pooled
}

// runMeans returns the moments of a line's means in other runs. Runs with too few trials of
// the line, or a bound among them, are left out.
func (h *history) runMeans(k Key, name string, scale Scale) (means stat.Moments) {
	for _, g := range h.similarGroups(k) {
		t := g.tally(name)
		if t == nil || t.bounds > 0 || scale == RatioScale && t.zeros() > 0 {
			continue
		}
		if m := t.momentsOn(scale); m.N >= lab.MinBlocks {
			means.Add(m.Mean)
		}
	}
	return means
}

// similarGroups returns the key's groups in other runs that measured the same as the old run.
func (h *history) similarGroups(k Key) []*group {
	if groups, ok := h.similar[k]; ok {
		return groups
	}
	var groups []*group
	old := h.old.groups[k]
	for _, r := range h.runs {
		if g := r.groups[k]; g != nil && old != nil && old.sameAs(g) && h.sameStartup(r, k.Variant) {
			groups = append(groups, g)
		}
	}
	h.similar[k] = groups
	return groups
}

// sameStartup reports whether a variant's server was started in the same way, beside the same
// services. Its command is not part of its image.
func (h *history) sameStartup(r *Run, variant string) bool {
	for name, s := range r.Info.Services {
		if other, shared := h.info.Services[name]; shared && !record.SameService(s, other) {
			return false
		}
	}
	return reflect.DeepEqual(h.info.MeasuredVariants[variant].Variant, r.Info.MeasuredVariants[variant].Variant)
}

// sameAs reports whether two groups of one key have the same script, image and load.
func (g *group) sameAs(other *group) bool {
	if g.script.String() != other.script.String() || g.image.String() != other.image.String() {
		return false
	}
	for i := range loadColumns {
		if isGivenLoad(i, g, other) && g.loads[i].String() != other.loads[i].String() {
			return false
		}
	}
	return true
}

// varianceText says which variance between runs the intervals include.
func (c Comparison) varianceText() string {
	counts := map[VarianceSource]int{}
	fewest, most := 0, 0
	for _, l := range c.Lines {
		source, runs := l.BetweenRuns.Source, l.BetweenRuns.Runs
		counts[source]++
		if source == FromLine || source == FromMetric {
			fewest, most = min(cmp.Or(fewest, runs), runs), max(most, runs)
		}
	}
	text := "between runs: every interval includes a standard deviation of " +
		wording.Deviation(c.BetweenRuns.deviation(), c.BetweenRuns.Source)
	switch {
	case c.oneRun:
		text = "between runs: no variance is added, both sides are the same run"
	case fewest > 0:
		text = fmt.Sprintf("between runs: intervals include the variance between %s other runs of this host, "+
			"of the line itself (%s) or of its metric (%d)",
			formatRange(fewest, most), message.Count(counts[FromLine], "line", "lines"), counts[FromMetric])
	}
	return text
}

// historyDoubts returns a doubt if lines have no history.
func (c Comparison) historyDoubts() []lab.Reason {
	n, metrics := 0, map[string]int{}
	for _, l := range c.Lines {
		if l.BetweenRuns.Source == FromReferences {
			n++
			metrics[l.Metric]++
		}
	}
	if n == 0 {
		return nil
	}
	source := c.BetweenRuns.Source
	return []lab.Reason{{
		Kind: lab.LinesWithoutHistory, Count: n, Total: len(c.Lines), Needed: MinRuns, Names: metricsOf(metrics),
		Value: c.BetweenRuns.deviation(), Parts: []lab.Part{{Name: string(source.Kind), Count: source.Count}},
	}}
}

// formatRange returns "3", or "3 to 5".
func formatRange(from, to int) string {
	if from == to {
		return fmt.Sprint(from)
	}
	return fmt.Sprintf("%d to %d", from, to)
}

// metricsOf returns the metrics with a count, in the order of the table of metrics.
func metricsOf(counts map[string]int) (names []string) {
	for _, m := range metric.Table() {
		if counts[m.Name] > 0 {
			names = append(names, m.Name)
		}
	}
	return names
}
