package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/plan"
	"runtimelab/lab/record"
)

// printSummary prints what the run will do, on which CPUs and how long it takes.
func (m *measurement) printSummary(p lab.Plan, layouts []lab.Layout, run *record.Run) {
	m.messagef("run %s: profile %s, %s in %s, seed %d, about %s and at most %s",
		run.ID(), p.Profile.Name, message.Count(len(p.Trials), "trial", "trials"),
		message.Count(p.Profile.Blocks, "block", "blocks"), p.Seed,
		plan.ExpectedDuration(p).Round(time.Second), plan.WorstDuration(p).Round(time.Second))
	for i, l := range layouts {
		machine := ""
		if i == 0 {
			machine = fmt.Sprintf(", of %d (%s)", len(m.Topology.CPUs), m.Topology.CPUModel)
		}
		m.messagef("%s%s", layoutText(l), machine)
	}
	for _, doubt := range layoutDoubts(layouts) {
		m.messagef("doubt: %s", doubt)
	}
	m.printPhases(p)
	m.messagef("results: %s", run.Dir())
}

// layoutText says who runs where: "CPUs: generator and lab on 0, upstream beside the generator, server
// on 1".
func layoutText(l lab.Layout) string {
	text := "CPUs"
	if len(l.Server) > 1 {
		text += fmt.Sprintf(" for servers with %d", len(l.Server))
	}
	text += ": generator and lab on " + lab.CPUList(l.Generator)
	for _, s := range l.Beside {
		if slices.Equal(s.CPUs, l.Generator) {
			text += fmt.Sprintf(", %s beside the generator", s.Name)
		} else {
			text += fmt.Sprintf(", %s on %s", s.Name, lab.CPUList(s.CPUs))
		}
	}
	return text + ", server on " + lab.CPUList(l.Server)
}

// layoutDoubts returns the doubts of all layouts, each once.
func layoutDoubts(layouts []lab.Layout) (all []string) {
	for _, l := range layouts {
		for _, d := range l.Doubts {
			if !slices.Contains(all, d) {
				all = append(all, d)
			}
		}
	}
	return all
}

// printPhases prints the phases and variants of each scenario, and the number of pilots.
func (m *measurement) printPhases(p lab.Plan) {
	for _, s := range p.Scenarios {
		m.messagef("%s on %s: %s", s.Name, strings.Join(s.Variants, ", "), loadText(s))
	}
	if n := plan.PendingPilots(p); n > 0 {
		m.messagef("%s first, for rates that are shares of a peak", message.Count(n, "pilot", "pilots"))
	}
}
