package compare

import "slices"

// sameHost reports whether two runs were measured on one machine: their host_id is equal, or
// an older and a newer lab gave the machine different ids and both run.json describe it.
func sameHost(a, b *Run) bool {
	if a.Host() == b.Host() {
		return true
	}
	known := func(r *Run) bool { return r.Info != nil && r.Info.Host.ID == r.Host() }
	return known(a) && known(b) && a.Info.Host.Same(b.Info.Host)
}

// hostDifference returns the difference that two runs are of two machines.
func hostDifference(old, new *Run) []Difference {
	if sameHost(old, new) || old.gaps.has("host_id") || new.gaps.has("host_id") {
		return nil // a missing host_id is reported by identityDifferences
	}
	return []Difference{{Host, "host_id", old.Host(), new.Host()}}
}

// hostHint says how the lab recognises a host by an older id. It is empty unless hosts
// differ and a run.json is missing that could show that they are the same.
func hostHint(old *Run, news []*Run, kinds []string) string {
	fileOnly := func(r *Run) bool { return r.Info == nil }
	if !slices.Contains(kinds, string(Host)) || !fileOnly(old) && !slices.ContainsFunc(news, fileOnly) {
		return ""
	}
	return "; labs before schema 5 gave the same host another id, " +
		"which this lab recognises if run.json lies beside trials.csv"
}
