package compare

import "slices"

// sharedKeys returns the wanted keys that both runs measured, in the order of reports.
func sharedKeys(old, new *Run, wanted func(Key) bool) []Key {
	var keys []Key
	for _, k := range old.keys() {
		if wanted(k) && new.groupOf(k, old) != nil {
			keys = append(keys, k)
		}
	}
	for _, k := range new.keys() {
		if wanted(k) && old.groups[k] == nil && old.groupOf(k, new) != nil {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, Key.compare)
	return keys
}

// groupOf returns the group of a key, or nil if the run did not measure it. A phase that
// only the other run has rows of is an empty group, not nil, if trials of this run failed
// before their first phase: the server is then listed as one without valid trials.
func (r *Run) groupOf(k Key, other *Run) *group {
	if g := r.groups[k]; g != nil {
		return g
	}
	whole, template := r.groups[k.trial()], other.groups[k]
	if whole == nil || whole.earlyFailures == 0 || template == nil {
		return nil
	}
	g := &group{wholeTrial: whole}
	for _, t := range template.tallies {
		g.tallies = append(g.tallies, tally{metric: t.metric})
	}
	return g
}

// unmatchedKeys returns the keys of r that the other run lacks. If it lacks all phases of
// a trial, only the key of the whole trial is returned.
func unmatchedKeys(r, other *Run) []Key {
	keys := []Key{}
	for _, k := range r.keys() {
		whole := k.trial()
		if !k.isControl() && other.groupOf(k, r) == nil && (k == whole || other.groups[whole] != nil) {
			keys = append(keys, k)
		}
	}
	return keys
}

// blocks returns the number of blocks that the run measured of the key's trials.
func (r *Run) blocks(k Key) int { return r.groups[k.trial()].blocks }

// tally returns the group's tally of a metric, or nil.
func (g *group) tally(name string) *tally {
	for i := range g.tallies {
		if g.tallies[i].metric.Name == name {
			return &g.tallies[i]
		}
	}
	return nil
}
