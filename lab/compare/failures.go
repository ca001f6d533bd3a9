package compare

import (
	"fmt"
	"strconv"
	"strings"

	"runtimelab/lab/metric"
)

// A side of which more requests failed than a metric tolerates may be worse and is
// never better, nor equivalent: what a server does not do costs it nothing. Its value
// is at best what was read. As in package verdict, the worst trial decides.

// failing reports which sides fail too much for a finding in their favour. Identical
// trials are the same, whatever failed in them.
func (p pair) failing() (old, new bool) {
	if p.identical() {
		return false, false
	}
	most := p.old.metric.Tolerates()
	return p.oldFailed > most, p.newFailed > most
}

// known reports whether an effect can be found to be above nothing, and below: not
// where bounds leave that side open, or where it favours a side that fails.
func (p pair) known() (up, down bool) {
	if p.identical() {
		return true, true
	}
	up, down = p.old.bounds == 0, p.new.bounds == 0
	old, new := p.failing()
	if p.old.metric.Better == metric.Lower {
		old, new = new, old
	}
	return up && !new, down && !old
}

// sides names those that fail.
func (p pair) sides() string {
	switch old, new := p.failing(); {
	case old && new:
		return "both"
	case old:
		return "old"
	case new:
		return "new"
	}
	return ""
}

// failedDoubts are the keys of which a side fails more than a finding may favour.
func failedDoubts(keys []Key, old, new *Run) []string {
	var parts []string
	for _, k := range keys {
		a, b := old.groupOf(k, new).failed, new.groupOf(k, old).failed
		if k.Phase != "" && max(a, b) > metric.MostFailed {
			parts = append(parts, fmt.Sprintf("%s (OLD %s, NEW %s)", k, metric.Percent(a), metric.Percent(b)))
		}
	}
	if len(parts) == 0 || old.ID() == new.ID() {
		return nil
	}
	return []string{fmt.Sprintf("more than %s of requests failed, in the worst trial, in %s: "+
		"a side that fails is never better nor equivalent", metric.Percent(metric.MostFailed), strings.Join(parts,
		"; "))}
}

// schemas says what it means that two runs are of different schemas: a note where
// that makes no difference, else a doubt.
func schemas(keys []Key, old, new *Run) (notes, doubts []string) {
	mixed, apart := old, new
	if new.schema() < old.schema() {
		mixed, apart = new, old
	}
	if mixed.schema() >= metric.SuccessLatencySchema || apart.schema() < metric.SuccessLatencySchema {
		return nil, nil
	}
	text := fmt.Sprintf("%s is of schema %d, of which latencies include requests that failed, "+
		"and %s of schema %d", mixed.Label, mixed.schema(), apart.Label, apart.schema())
	var parts []string
	for _, k := range keys {
		if share := mixed.groupOf(k, apart).failed; k.Phase != "" && share > 0 {
			parts = append(parts, fmt.Sprintf("%s (%s failed)", k, metric.Percent(share)))
		}
	}
	if len(parts) == 0 {
		return []string{fmt.Sprintf("%s. None failed in %s: they mean the same", text, mixed.Label)}, nil
	}
	return nil, []string{text + ": they are not of the same requests in " + strings.Join(parts, "; ")}
}

// schema is the version of the run's columns.
func (r *Run) schema() int64 {
	if len(r.versions.values) == 0 {
		return metric.SchemaVersion
	}
	version, _ := strconv.ParseInt(r.versions.values[0], 10, 64) // rows of others are not read
	return version
}

// fails reports whether any request failed in trials that lines are of.
func (c Comparison) fails() bool {
	for _, l := range c.Lines {
		if l.Old.Failed > 0 || l.New.Failed > 0 {
			return true
		}
	}
	return false
}

// failures is what failed on either side of a line's trials.
func (l Line) failures(form string) string {
	if l.Old.Failed == 0 && l.New.Failed == 0 {
		return ""
	}
	return fmt.Sprintf(form, metric.Percent(l.Old.Failed), metric.Percent(l.New.Failed))
}

// symbol is the line's mark as tables have it.
func (l Line) symbol() string {
	if l.Mark == Undecided && l.Failing != "" {
		return "failed"
	}
	return symbols[l.Mark]
}

// failuresLegend says what tables have of failures; nothing where there are none.
func (c Comparison) failuresLegend() []string {
	if !c.fails() {
		return nil
	}
	return []string{fmt.Sprintf("failed: requests, in the worst trial of each side; as a mark: undecided, "+
		"and not to be decided in favour of a side of which more than %s failed "+
		"(less for a tail beyond the p99).", metric.Percent(metric.MostFailed))}
}
