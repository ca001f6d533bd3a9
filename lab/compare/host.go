package compare

import "slices"

// sameHost reports whether two runs were measured on one machine: their rows have one host_id, or
// ids that an older and a newer lab gave to one machine by what their run.json says of it.
func sameHost(a, b *Run) bool {
	if a.Host() == b.Host() {
		return true
	}
	known := func(r *Run) bool { return r.Info != nil && r.Info.Host.ID == r.Host() }
	return known(a) && known(b) && a.Info.Host.Same(b.Info.Host)
}

// otherHost is that two runs are of two machines, as far as can be told.
func otherHost(old, new *Run) []Difference {
	if sameHost(old, new) || old.gaps.has("host_id") || new.gaps.has("host_id") {
		return nil // the same, or not known, which unidentified tells
	}
	return []Difference{{Host, "host_id", old.Host(), new.Host()}}
}

// aboutHosts is what to know of ids that differ where a run is a file alone: its host may be known
// by another id. It is empty where that cannot be so.
func aboutHosts(old *Run, news []*Run, kinds []string) string {
	alone := func(r *Run) bool { return r.Info == nil }
	if !slices.Contains(kinds, string(Host)) || !alone(old) && !slices.ContainsFunc(news, alone) {
		return ""
	}
	return "; labs before schema 5 gave a machine another id, " +
		"which is recognised where run.json lies beside trials.csv"
}
