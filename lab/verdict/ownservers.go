package verdict

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"runtimelab/lab"
)

// ownServerDoubts returns what is not known of servers that need not report an identity, and how
// their backlogs differ from each other and from the other servers'.
func ownServerDoubts(p lab.Plan, rows rowTable) (out []string) {
	own, backlogs := map[string]bool{}, map[string]string{} // by variant
	for r := range phaseRows(rows) {
		variant := lab.OriginalOf(r.Text("variant"))
		isOwn := slices.Contains(p.OwnServers, variant)
		if isOwn {
			own[variant] = true
		}
		if n, known := r.Int("backlog"); known {
			backlogs[variant] = fmt.Sprint(n)
		} else if isOwn {
			backlogs[variant] = "an unknown number of"
		}
	}
	if len(own) == 0 {
		return nil
	}
	out = append(out, "the lab does not know how many workers these servers have, nor how long they keep idle "+
		"connections, because it asks them for no identity: "+
		strings.Join(slices.Sorted(maps.Keys(own)), ", "))
	variants := map[string][]string{} // by backlog
	for _, variant := range slices.Sorted(maps.Keys(backlogs)) {
		variants[backlogs[variant]] = append(variants[backlogs[variant]], variant)
	}
	if len(variants) > 1 {
		var parts []string
		for _, backlog := range slices.Sorted(maps.Keys(variants)) {
			parts = append(parts, fmt.Sprintf("%s connections by %s", backlog, strings.Join(variants[backlog], ", ")))
		}
		out = append(out,
			"servers queue different numbers of new connections (backlog): "+strings.Join(parts, "; "))
	}
	return out
}
