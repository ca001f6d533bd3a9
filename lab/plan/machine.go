package plan

import (
	"fmt"
	"slices"

	"runtimelab/lab"
)

// extraOpenFiles is the number of open files that a server needs besides its connections:
// libraries, the listening socket, pipes, and the connections that check its answers.
const extraOpenFiles = 200

// FitToMachine drops scenarios and phases that need more CPUs or open files than the
// machine has. omitted says which and why. A smaller phase would not measure what its
// name says.
func FitToMachine(scenarios []lab.Scenario, cpus, nofile int) (fitting []lab.Scenario, omitted []string) {
	for _, s := range scenarios {
		s.Cores = slices.DeleteFunc(slices.Clone(s.Cores), func(n int) bool {
			if n > cpus {
				omitted = append(omitted,
					fmt.Sprintf("%s with %d CPUs for its servers is left out: this machine has %d", s.Name, n, cpus))
			}
			return n > cpus
		})
		if len(s.Cores) == 0 {
			continue // omitted lists all of it already
		}
		openFiles := func(p lab.Phase) int {
			// A server may have a connection to each service for each one to its client.
			return (1+len(s.Services))*p.Connections + extraOpenFiles
		}
		phases := slices.DeleteFunc(slices.Clone(s.Phases), func(p lab.Phase) bool {
			if openFiles(p) <= nofile {
				return false
			}
			omitted = append(omitted,
				fmt.Sprintf("%s of %s is left out: its servers need about %d open files, and this engine grants %d",
					p.Name, s.Name, openFiles(p), nofile))
			return true
		})
		if !slices.ContainsFunc(phases, func(p lab.Phase) bool { return !p.Kind.Traits().Discarded }) {
			continue // omitted lists all of it already
		}
		s.Phases = phases
		fitting = append(fitting, s)
	}
	return fitting, omitted
}
