package verdict

import (
	"maps"
	"slices"

	"runtimelab/lab"
)

// ownServerDoubts returns what is not known of servers that need not report an identity, and how
// their backlogs differ from each other and from the other servers'.
func ownServerDoubts(p lab.Plan, rows rowTable) (out []lab.Reason) {
	own, backlogs := map[string]bool{}, map[string]lab.Part{} // by variant
	for r := range phaseRows(rows) {
		variant := lab.OriginalOf(r.Text("variant"))
		isOwn := slices.Contains(p.OwnServers, variant)
		if isOwn {
			own[variant] = true
		}
		if n, known := r.Int("backlog"); known {
			backlogs[variant] = lab.Part{Name: variant, Value: float64(n)}
		} else if isOwn {
			backlogs[variant] = lab.Part{Name: variant, Lacks: lab.NoValue}
		}
	}
	if len(own) == 0 {
		return nil
	}
	out = append(out, lab.Reason{Kind: lab.UnknownIdentity, Names: slices.Sorted(maps.Keys(own))})
	unequal := lab.Reason{Kind: lab.UnequalBacklogs}
	differ := false
	for _, variant := range slices.Sorted(maps.Keys(backlogs)) {
		part := backlogs[variant]
		if len(unequal.Parts) > 0 {
			first := unequal.Parts[0]
			differ = differ || part.Value != first.Value || part.Lacks != first.Lacks
		}
		unequal.Parts = append(unequal.Parts, part)
	}
	if differ {
		out = append(out, unequal)
	}
	return out
}
