package compare

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/record"
	"runtimelab/lab/stat"
)

// LineVariance is how much the mean of a line varies from one run to the next.
type LineVariance struct {
	Variance float64        `json:"variance"` // of the log of the mean where the line is compared by ratio
	Runs     int            `json:"runs"`     // that it was found from
	Source   VarianceSource `json:"of"`
}

// VarianceSource is whose variance between runs that of a line is taken to be.
type VarianceSource string

const (
	FromLine VarianceSource = "line" // its own, in other runs of the same
	// FromMetric is the variance of other lines of the metric: the line has too few runs itself.
	FromMetric     VarianceSource = "metric"
	FromReferences VarianceSource = "references" // that of reference servers: nothing is known of the line's own
	FromSameRun    VarianceSource = "one run"    // none: both sides are of one run
)

// estimate has as many degrees of freedom as runs, less one. What is not found
// from runs is an allowance and no estimate.
func (b LineVariance) estimate() stat.Variance {
	if b.Runs < MinRuns {
		return stat.Variance{Value: b.Variance, DF: math.Inf(1)}
	}
	return stat.Variance{Value: b.Variance, DF: float64(b.Runs - 1)}
}

// UsableAsHistory reports whether a run can tell how much runs like another one differ: it is
// complete, and of the same host and profile. Trials of other profiles last longer.
func UsableAsHistory(run, like *record.Info) bool {
	return run != nil && like != nil && run.State == record.Done && run.Host.Same(like.Host) &&
		run.Profile == like.Profile
}

// history is what other runs of the host say of a comparison's lines.
type history struct {
	old     *Run
	info    *record.Info // of the old run, or of the new one where the old is a file alone
	runs    []*Run
	keys    []Key // that the comparison has
	spread  ReferenceVariance
	similar map[Key][]*group
	pools   map[string]stat.Variance // by metric
}

func historyOf(old, new *Run, others []*Run, spread ReferenceVariance) *history {
	h := &history{
		old: old, info: cmp.Or(old.Info, new.Info), keys: sharedKeys(old, new, Key.isResult),
		spread:  spread,
		similar: map[Key][]*group{}, pools: map[string]stat.Variance{},
	}
	if old.gaps.has("host_id") || new.gaps.has("host_id") {
		return h // what other runs of one host tell is not known to be of the other's
	}
	seen := []string{old.ID(), new.ID()}
	for _, r := range others {
		if UsableAsHistory(r.Info, h.info) && sameHost(r, old) && !slices.Contains(seen, r.ID()) {
			h.runs, seen = append(h.runs, r), append(seen, r.ID())
		}
	}
	return h
}

// varianceOf is the variance between runs of a line. Its own is that of the means of other
// runs of the same, from which nothing is taken off for the trials within them: of
// few runs what is left is nothing by chance as often as not, and three of them gave
// six times the false alarms that are promised. So it is too large by what trials
// explain, and at most twice what it should be of runs that do not differ.
func (h *history) varianceOf(k Key, p pair) LineVariance {
	if p.sameRun {
		return LineVariance{Source: FromSameRun}
	}
	m := p.old.metric
	if own := h.runMeans(k, m.Name, p.scale()); own.N >= MinRuns {
		return LineVariance{Variance: own.SD() * own.SD(), Runs: own.N, Source: FromLine}
	}
	if pool := h.metricVariance(m); p.scale() == naturalScale(m) && pool.DF > 0 {
		return LineVariance{Variance: pool.Value, Runs: int(pool.DF) + 1, Source: FromMetric}
	}
	scale := 1.0
	if p.scale() == DifferenceScale { // the variance of a mean follows from that of its log (the delta method)
		scale = max(math.Abs(p.old.moments.Mean), math.Abs(p.new.moments.Mean))
	}
	return LineVariance{
		Variance: h.spread.VarianceLog * scale * scale, Runs: h.spread.Runs,
		Source: FromReferences,
	}
}

// metricVariance is the variance between runs of all lines of a metric that are known by
// enough runs. Lines of a run are fast or slow together, so that it has the degrees
// of freedom of the fewest runs, and not of all lines.
func (h *history) metricVariance(m metric.Metric) stat.Variance {
	if pool, ok := h.pools[m.Name]; ok {
		return pool
	}
	squares, degrees, fewest := 0.0, 0, 0
	for _, k := range h.keys {
		if own := h.runMeans(k, m.Name, naturalScale(m)); own.N >= MinRuns {
			squares += own.M2
			degrees += own.N - 1
			fewest = min(cmp.Or(fewest, own.N), own.N)
		}
	}
	pool := stat.Variance{}
	if degrees > 0 {
		pool = stat.Variance{Value: squares / float64(degrees), DF: float64(fewest - 1)}
	}
	h.pools[m.Name] = pool
	return pool
}

// runMeans are those of a line in other runs of the same that have enough trials of
// it, none of them a bound.
func (h *history) runMeans(k Key, name string, by Scale) (means stat.Moments) {
	for _, g := range h.similarGroups(k) {
		t := g.tally(name)
		if t == nil || t.bounds > 0 || by == RatioScale && t.zeros() > 0 {
			continue
		}
		if m := t.momentsOn(by); m.N >= lab.MinBlocks {
			means.Add(m.Mean)
		}
	}
	return means
}

// similarGroups are the groups of other runs that measured the same as the old one.
func (h *history) similarGroups(k Key) []*group {
	if groups, ok := h.similar[k]; ok {
		return groups
	}
	var groups []*group
	old := h.old.groups[k]
	for _, r := range h.runs {
		if g := r.groups[k]; g != nil && old != nil && old.sameAs(g, k) && h.sameStartup(r, k.Variant) {
			groups = append(groups, g)
		}
	}
	h.similar[k] = groups
	return groups
}

// sameStartup reports whether a server was started in the same way, which is no
// part of its image.
func (h *history) sameStartup(r *Run, variant string) bool {
	return reflect.DeepEqual(h.info.MeasuredVariants[variant].Variant, r.Info.MeasuredVariants[variant].Variant)
}

// sameAs reports whether two groups of a key are of one script, image and load.
func (g *group) sameAs(other *group, k Key) bool {
	if g.script.String() != other.script.String() || g.image.String() != other.image.String() {
		return false
	}
	for i := range loads {
		if isGivenLoad(i, k, g, other) && g.loads[i].String() != other.loads[i].String() {
			return false
		}
	}
	return true
}

// varianceTerms say what is added to intervals, and what of that is not known.
func (c *Comparison) varianceTerms() (head string, doubts []string) {
	counts, unknown := map[VarianceSource]int{}, map[string]int{}
	fewest, most := 0, 0
	for _, l := range c.Lines {
		counts[l.BetweenRuns.Source]++
		switch l.BetweenRuns.Source {
		case FromReferences:
			unknown[l.Metric]++
		case FromLine, FromMetric:
			fewest, most = min(cmp.Or(fewest, l.BetweenRuns.Runs), l.BetweenRuns.Runs), max(most, l.BetweenRuns.Runs)
		}
	}
	switch {
	case c.oneRun:
		head = "nothing, both are of one run"
	case fewest > 0:
		head = fmt.Sprintf("added to each interval is what its own line varies by (%d lines) or its metric (%d), "+
			"in %s other runs of this host",
			counts[FromLine], counts[FromMetric], formatRange(fewest, most))
	default:
		head = fmt.Sprintf("added to every interval is %s", c.BetweenRuns)
	}
	if n := counts[FromReferences]; n > 0 {
		doubts = append(doubts,
			fmt.Sprintf("how much it varies between runs is not known of %d of %d lines (%s): fewer than %d other "+
				"complete runs of this host measured the same. "+
				"Added to their intervals is %s; other figures may vary more", n, len(c.Lines), listMetrics(unknown), MinRuns, c.BetweenRuns))
	}
	return "between runs: " + head, doubts
}

// formatRange is "3", or "3 to 5".
func formatRange(from, to int) string {
	if from == to {
		return fmt.Sprint(from)
	}
	return fmt.Sprintf("%d to %d", from, to)
}

// listMetrics are the names of what was counted, in order.
func listMetrics(counts map[string]int) string {
	var names []string
	for _, m := range metric.Table() {
		if counts[m.Name] > 0 {
			names = append(names, m.Name)
		}
	}
	return strings.Join(names, ", ")
}
