package compare

import (
	"fmt"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// A side with more failed requests than a metric tolerates may be marked worse, but never
// better or equivalent: requests that a server did not answer cost it nothing. As in
// package verdict, the worst trial decides.

// failing reports which sides have too many failed requests to be favoured. Identical
// trials are equal, whatever failed in them.
func (p pair) failing() (old, new bool) {
	if p.identical() {
		return false, false
	}
	most := p.old.metric.Tolerates()
	return p.oldFailed > most, p.newFailed > most
}

// bound returns on which side of the effect the true one may lie. The values of either side may be
// bounds, and those of a side that fails are.
func (p pair) bound() metric.Bound {
	if p.identical() {
		return metric.Exact
	}
	oldBound, newBound := p.old.bound(), p.new.bound()
	oldFails, newFails := p.failing()
	if oldFails {
		oldBound = oldBound.Times(p.old.metric.FailingBound())
	}
	if newFails {
		newBound = newBound.Times(p.old.metric.FailingBound())
	}
	return newBound.Times(oldBound.Inverse())
}

// failingSides names the sides that fail: old, new, both, or none as "".
func (p pair) failingSides() string {
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

// failureDoubts returns the doubt that lists the phases with too many failed requests.
func failureDoubts(keys []Key, old, new *Run) []lab.Reason {
	var sides []lab.Part
	for _, k := range keys {
		a, b := old.groupOf(k, new).failed, new.groupOf(k, old).failed
		if k.Phase != "" && max(a, b) > metric.MostFailed {
			sides = append(sides, lab.Part{Name: k.String(), Value: a}, lab.Part{Name: k.String(), Value: b})
		}
	}
	if len(sides) == 0 || old.ID() == new.ID() {
		return nil
	}
	return []lab.Reason{{Kind: lab.SidesFailed, Limit: metric.MostFailed, Parts: sides}}
}

// schemaNotes says what it means that latencies of one run include failed requests, by its
// schema, and those of the other do not. It is a note if no request failed, else a doubt.
func schemaNotes(keys []Key, old, new *Run) (notes, doubts []lab.Reason) {
	mixed, separate := old, new
	if new.schema < old.schema {
		mixed, separate = new, old
	}
	if mixed.schema >= metric.SuccessLatencySchema || separate.schema < metric.SuccessLatencySchema {
		return nil, nil
	}
	reason := lab.Reason{
		Kind: lab.MixedLatencySchemas, Names: []string{mixed.Label, separate.Label},
		Count: int(mixed.schema), Total: int(separate.schema),
	}
	for _, k := range keys {
		if share := mixed.groupOf(k, separate).failed; k.Phase != "" && share > 0 {
			reason.Parts = append(reason.Parts, lab.Part{Name: k.String(), Value: share})
		}
	}
	if len(reason.Parts) == 0 {
		return []lab.Reason{reason}, nil
	}
	return nil, []lab.Reason{reason}
}

// hasFailures reports whether any request failed in trials of the lines.
func (c Comparison) hasFailures() bool {
	for _, l := range c.Lines {
		if l.Old.Failed > 0 || l.New.Failed > 0 {
			return true
		}
	}
	return false
}

// failures formats the shares of failed requests of both sides; "" if none failed.
func (l Line) failures(format string) string {
	if l.Old.Failed == 0 && l.New.Failed == 0 {
		return ""
	}
	return fmt.Sprintf(format, metric.Percent(l.Old.Failed), metric.Percent(l.New.Failed))
}

// symbol returns the line's mark as tables show it.
func (l Line) symbol() string {
	if l.Mark == Undecided && l.Failing != "" {
		return "failed"
	}
	return symbols[l.Mark]
}

// failuresLegend explains failures in tables; nil if there are none.
func (c Comparison) failuresLegend() []string {
	if !c.hasFailures() {
		return nil
	}
	return []string{fmt.Sprintf("failed: share of requests that failed, in the worst trial of each side. "+
		"As a mark: undecided, because a side with more than %s failed (less for a tail beyond the p99) "+
		"is never better or equivalent.", metric.Percent(metric.MostFailed))}
}
