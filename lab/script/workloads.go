package script

import (
	"slices"

	"runtimelab/lab/message"
	"runtimelab/lab/workload"
)

// workloadIndex is what scripts need to know of the workloads.
type workloadIndex struct {
	Names []string            // also of those with a mistake
	Paths map[string]string   // the workload of each path
	Needs map[string][]string // services, by workload
	// Incomplete says that a mistake hides the paths of a workload.
	Incomplete bool
}

func newWorkloadIndex(set *workload.Set) workloadIndex {
	index := workloadIndex{
		Names: slices.Clone(set.Broken), Paths: map[string]string{}, Needs: map[string][]string{},
		Incomplete: len(set.Broken) > 0,
	}
	for _, w := range set.All() {
		index.Names = append(index.Names, w.Name)
		index.Needs[w.Name] = w.Needs()
		for _, path := range w.Paths() {
			index.Paths[path] = w.Name
		}
	}
	slices.Sort(index.Names)
	return index
}

// readOffers reads the workloads that a runtime or a variant offers. It returns nil without the
// argument.
func (w workloadIndex) readOffers(c *call) []string {
	if !c.has("offers") {
		return nil
	}
	return c.distinctStrings("offers", "workloads", func(name string) string {
		if slices.Contains(w.Names, name) {
			return ""
		}
		return "which is not a workload; " + message.Suggest(name, w.Names)
	})
}

// addWorkloads adds the files of the workloads and their mistakes.
func (l *Library) addWorkloads(mistakes []workload.Mistake) {
	for _, w := range l.Workloads.All() {
		l.Files = append(l.Files, w.File)
	}
	for _, m := range mistakes {
		if !slices.Contains(l.Files, m.File) {
			l.Files = append(l.Files, m.File)
		}
		l.Faults = append(l.Faults, Fault{File: m.File, Line: m.Line, Column: m.Column, Text: m.Text})
	}
}
