package experiment

import (
	"maps"
	"slices"

	"runtimelab/lab"
)

// refuseMinority refuses variants that answer a workload or a scenario differently from the
// majority of those that it is put to. Without a majority it refuses all that disagree.
func (e *Experiment) refuseMinority(ids []string, found []variantAnswers) {
	passed := make(map[string]variantAnswers)
	var workloads []string
	for i, id := range ids {
		if e.refused[id] != "" {
			continue
		}
		passed[id] = found[i]
		for name := range found[i].workloads {
			if !slices.Contains(workloads, name) {
				workloads = append(workloads, name)
			}
		}
	}
	slices.Sort(workloads)
	why := make(map[string][]string) // by variant
	for _, name := range workloads {
		asked := variantsWith(passed, func(x variantAnswers) []lab.Answer { return x.workloads[name] })
		findMinority(why, asked, func(a, b string) []string {
			return e.Checker.CompareAnswers(e.Checker.Requests(name), a, b,
				passed[a].workloads[name], passed[b].workloads[name])
		})
	}
	for _, s := range e.Plan.Scenarios {
		asked := variantsWith(passed, func(x variantAnswers) []lab.Answer { return x.scenarios[s.Name] })
		findMinority(why, asked, func(a, b string) []string {
			requests, ofA, ofB := comparedAnswers(s, passed[a].scenarios[s.Name], passed[b].scenarios[s.Name])
			if len(requests) == 0 {
				return nil
			}
			return e.Checker.CompareAnswers(requests, a, b, ofA, ofB)
		})
	}
	for _, id := range ids {
		if len(why[id]) > 0 {
			e.refuse(id, why[id])
		}
	}
}

// variantsWith returns the ids, sorted, of the variants that have answers.
func variantsWith(all map[string]variantAnswers, answers func(variantAnswers) []lab.Answer) (ids []string) {
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if answers(all[id]) != nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// findMinority adds to why the differences of each variant that answers differently from the
// majority of those asked: the differences to the first variant that it disagrees with.
func findMinority(why map[string][]string, asked []string, differences func(a, b string) []string) {
	for _, a := range asked {
		agree, differ := 1, []string(nil)
		for _, b := range asked {
			if a == b {
				continue
			}
			if d := differences(a, b); len(d) == 0 {
				agree++
			} else if differ == nil {
				differ = d
			}
		}
		if majority := 2*agree > len(asked); !majority {
			why[a] = append(why[a], differ...)
		}
	}
}
