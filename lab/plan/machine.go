package plan

import (
	"fmt"
	"slices"

	"runtimelab/lab"
)

// extraOpenFiles is how many open files a server needs beside its connections:
// libraries, the listening socket, pipes, and the connections of whoever checks
// its answers.
const extraOpenFiles = 200

// FitToMachine leaves out what a machine with so many CPUs, that grants a process so many
// open files, cannot do, and says what and why: scenarios, and single phases.
// Figures of less than was asked for would not be what their names say.
func FitToMachine(scenarios []lab.Scenario, cpus, nofile int) (fitting []lab.Scenario, left []string) {
	for _, s := range scenarios {
		if s.Cores = slices.DeleteFunc(slices.Clone(s.Cores), func(n int) bool {
			if n > cpus {
				left = append(left,
					fmt.Sprintf("%s with %d CPUs for its servers is left out: this machine has %d", s.Name, n, cpus))
			}
			return n > cpus
		}); len(s.Cores) == 0 {
			continue // all of it has been said
		}
		files := func(p lab.Phase) int {
			if s.Upstream {
				return 2*p.Connections + extraOpenFiles // one to the client, one to the upstream
			}
			return p.Connections + extraOpenFiles
		}
		phases := slices.DeleteFunc(slices.Clone(s.Phases), func(p lab.Phase) bool {
			if files(p) <= nofile {
				return false
			}
			left = append(left,
				fmt.Sprintf("%s of %s is left out: its servers need about %d open files, and this engine grants %d",
					p.Name, s.Name, files(p), nofile))
			return true
		})
		if !slices.ContainsFunc(phases, func(p lab.Phase) bool { return p.Kind != lab.WarmUp }) {
			continue // all of it has been said
		}
		s.Phases = phases
		fitting = append(fitting, s)
	}
	return fitting, left
}
