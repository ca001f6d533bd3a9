package compare

import (
	"fmt"
	"slices"
	"strings"

	"runtimelab/lab"
)

// gaps is what a file does not say of what it is of. Other programs leave columns out.
type gaps struct {
	columns []string       // that the file lacks
	blank   map[string]int // rows without a value, by column that every row has one in
}

// consequences says, by column that a check needs, what is done where it is ignored that
// the column is missing.
var consequences = []struct{ column, what string }{
	{"run_id", "it is compared as another run, although both may be one"},
	{"host_id", "whether one machine measured both is not known"},
	{"scenario_sha256", "whether both ran one script is not known"},
	{"parameters", "whether both scripts had the same parameters is not known"},
	{"content_sha256", "whether both ran one image is not known"},
	{"offered_rps", "whether both were offered one load is not known"},
	{"connections", "whether both were offered one load is not known"},
	{"keep_alive", "whether both were offered one load is not known"},
	{"deadline_ms", "whether both were offered one load is not known"},
	{"error_ratio", "whether requests failed is not known, and it is compared as if none did"},
	{referenceMetric, "whether the reference servers agree is not known"},
}

// needed is the columns that the checks of a comparison need.
func needed() (names []string) {
	for _, c := range consequences {
		names = append(names, c.column)
	}
	return names
}

// note counts the cells of a row that no row lacks.
func (g *gaps) note(cells [][]byte) {
	for _, i := range [...]int{runID, hostID} {
		if len(cells[i]) == 0 && !slices.Contains(g.columns, identity[i]) {
			if g.blank == nil {
				g.blank = map[string]int{}
			}
			g.blank[identity[i]]++
		}
	}
}

// has reports whether a column is missing, or has no value in some row.
func (g *gaps) has(column string) bool {
	return slices.Contains(g.columns, column) || g.blank[column] > 0
}

// without says that a column is missing, or its values are; empty where neither is so.
func (r *Run) without(column string) string {
	switch n := r.gaps.blank[column]; {
	case slices.Contains(r.gaps.columns, column):
		return fmt.Sprintf("%s has no column %s", r.Label, column)
	case n > 0:
		return fmt.Sprintf("%s has no %s in %d of %d rows", r.Label, column, n, r.Rows)
	}
	return ""
}

// unidentified is why it is not known whether two runs are of the same thing.
func unidentified(old, new *Run) (all []Difference) {
	for _, r := range []*Run{old, new} {
		for _, c := range consequences {
			if what := r.without(c.column); what != "" {
				all = append(all, Difference{Kind: Identity, What: what})
			}
		}
	}
	nameless := func(column string, a, b map[string]*distinctValues, own func(string) bool) {
		if old.gaps.has(column) || new.gaps.has(column) {
			return
		}
		for _, name := range shared(a, b) {
			if !own(name) && a[name].String() == "" && b[name].String() == "" {
				what := fmt.Sprintf("%s has no %s in either run", name, column)
				all = append(all, Difference{Kind: Identity, What: what})
			}
		}
	}
	nameless("content_sha256", old.images, new.images, labImage)
	nameless("scenario_sha256", old.scripts, new.scripts, labScenario)
	return all
}

// labScenario reports whether a scenario comes with the lab.
func labScenario(name string) bool { return name == lab.ReferenceScenario || name == lab.BurnScenario }

// labImage reports whether a variant comes with the lab, or is another's twin.
func labImage(variant string) bool {
	return lab.OriginalOf(variant) != variant || strings.HasPrefix(variant, "lab/")
}

// gapDoubts are what a comparison assumes where columns are missing.
func gapDoubts(runs ...*Run) (all []string) {
	for _, r := range runs {
		for _, c := range consequences {
			if what := r.without(c.column); what != "" {
				all = append(all, what+": "+c.what)
			}
		}
	}
	return all
}

// sameRun reports whether two files are known to be of one run.
func sameRun(old, new *Run) bool {
	return old.ID() == new.ID() && !old.gaps.has("run_id") && !new.gaps.has("run_id")
}
