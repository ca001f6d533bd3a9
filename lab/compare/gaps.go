package compare

import (
	"fmt"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/message"
)

// gaps records what a file lacks that the checks of a comparison need. Files from other
// programs may leave columns out.
type gaps struct {
	columns []string       // that the file lacks
	blank   map[string]int // rows with an empty cell, by column that every row has a value in
}

// neededColumns lists the columns that the checks of a comparison need, each with the doubt
// that its absence leaves.
var neededColumns = []struct{ name, doubt string }{
	{"run_id", "it is compared as a different run, although both may be the same"},
	{"host_id", "the runs may be of different hosts"},
	{"scenario_sha256", "the scripts may differ"},
	{"parameters", "the scripts may have different parameters"},
	{"content_sha256", "the images may differ"},
	{"offered_rps", "the offered loads may differ"},
	{"connections", "the offered loads may differ"},
	{"keep_alive", "the offered loads may differ"},
	{"deadline_ms", "the offered loads may differ"},
	{generatorColumn, "the loads may be by different generators"},
	{"error_ratio", "it is compared as if no request failed, although some may have"},
	{referenceMetric, "the reference servers cannot be compared"},
}

func neededNames() (names []string) {
	for _, c := range neededColumns {
		names = append(names, c.name)
	}
	return names
}

// count counts an empty cell of a column in which every row has a value.
func (g *gaps) count(column string, cell []byte) {
	if len(cell) > 0 || slices.Contains(g.columns, column) {
		return
	}
	if g.blank == nil {
		g.blank = map[string]int{}
	}
	g.blank[column]++
}

// has reports whether a column is missing, or empty in some row.
func (g *gaps) has(column string) bool {
	return slices.Contains(g.columns, column) || g.blank[column] > 0
}

// gapText says that the run lacks a column or values in it; "" if it lacks neither.
func (r *Run) gapText(column string) string {
	switch n := r.gaps.blank[column]; {
	case slices.Contains(r.gaps.columns, column):
		return fmt.Sprintf("%s has no column %s", r.Label, column)
	case n > 0:
		return fmt.Sprintf("%s has no %s in %d of %s", r.Label, column, n, message.Count(r.Rows, "row", "rows"))
	}
	return ""
}

// identityDifferences returns the columns and values whose absence hides whether two runs
// measured the same.
func identityDifferences(old, new *Run) (all []Difference) {
	for _, r := range []*Run{old, new} {
		for _, c := range neededColumns {
			if what := r.gapText(c.name); what != "" {
				all = append(all, Difference{Kind: Identity, What: what})
			}
		}
	}
	addUnhashed := func(column string, a, b map[string]*distinctValues, isLab func(string) bool) {
		if old.gaps.has(column) || new.gaps.has(column) {
			return
		}
		for _, name := range sharedNames(a, b) {
			if !isLab(name) && a[name].String() == "" && b[name].String() == "" {
				what := fmt.Sprintf("%s has no %s in either run", name, column)
				all = append(all, Difference{Kind: Identity, What: what})
			}
		}
	}
	addUnhashed("content_sha256", old.images, new.images, isLabImage)
	addUnhashed("scenario_sha256", old.scripts, new.scripts, isLabScenario)
	return all
}

// isLabScenario reports whether a scenario comes with the lab.
func isLabScenario(name string) bool {
	return name == lab.ReferenceScenario || name == lab.BurnScenario
}

// isLabImage reports whether a variant's image needs no check: it comes with the lab, or it
// is a twin's, which has the image of its original.
func isLabImage(variant string) bool {
	return lab.OriginalOf(variant) != variant || strings.HasPrefix(variant, "lab/")
}

// gapDoubts returns the doubts that missing columns leave.
func gapDoubts(runs ...*Run) (all []string) {
	for _, r := range runs {
		for _, c := range neededColumns {
			if what := r.gapText(c.name); what != "" {
				all = append(all, what+": "+c.doubt)
			}
		}
	}
	return all
}

// sameRun reports whether two files are known to be of the same run.
func sameRun(old, new *Run) bool {
	return old.ID() == new.ID() && !old.gaps.has("run_id") && !new.gaps.has("run_id")
}
