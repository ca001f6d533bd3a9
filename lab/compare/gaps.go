package compare

import (
	"fmt"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/wording"
)

// gaps records what a file lacks that the checks of a comparison need. Files from other
// programs may leave columns out.
type gaps struct {
	columns []string       // that the file lacks
	blank   map[string]int // rows with an empty cell, by column that every row has a value in
}

// neededColumns lists the columns that the checks of a comparison need. Package wording says what the
// absence of each means.
var neededColumns = []string{
	"run_id", "host_id", "scenario_sha256", "parameters", "content_sha256", "offered_rps", "connections",
	"keep_alive", "deadline_ms", generatorColumn, "error_ratio", referenceMetric,
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

// gapReasons returns a doubt for each needed column that the run lacks, or lacks values of.
func (r *Run) gapReasons() (all []lab.Reason) {
	for _, column := range neededColumns {
		gap := lab.Reason{Subject: r.Label, Names: []string{column}}
		switch n := r.gaps.blank[column]; {
		case slices.Contains(r.gaps.columns, column):
			gap.Kind = lab.ColumnMissing
		case n > 0:
			gap.Kind, gap.Count, gap.Total = lab.ValuesMissing, n, r.Rows
		default:
			continue
		}
		all = append(all, gap)
	}
	return all
}

// identityDifferences returns the columns and values whose absence hides whether two runs
// measured the same.
func identityDifferences(old, new *Run) (all []Difference) {
	for _, r := range []*Run{old, new} {
		for _, gap := range r.gapReasons() {
			all = append(all, Difference{Kind: Identity, What: wording.Gap(gap)})
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

// sameRun reports whether two files are known to be of the same run.
func sameRun(old, new *Run) bool {
	return old.ID() == new.ID() && !old.gaps.has("run_id") && !new.gaps.has("run_id")
}
