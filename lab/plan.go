package lab

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Plan is all that a run will do, decided before it starts and reproducible
// from its seed.
type Plan struct {
	Profile    Profile    `json:"profile"`
	Seed       uint64     `json:"seed"`
	Scenarios  []Scenario `json:"scenarios"`
	Trials     []Trial    `json:"trials"`  // in the order they run
	MaxRepeats int        `json:"repeats"` // disturbed trials that may be repeated, each once, in all
	Pilots     []Pilot    `json:"pilots,omitempty"`

	Hypotheses []Hypothesis `json:"hypotheses,omitempty"` // that the run tests
	// that a longer profile tests, or another choice
	UntestedHypotheses []Hypothesis `json:"beyond,omitempty"`
	Controls           []Control    `json:"controls,omitempty"`

	Layout       Layout   `json:"layout"`            // where a server is given one CPU
	WiderLayouts []Layout `json:"layouts,omitempty"` // for scenarios that give it more
}

// Pilot is a variant's peak, found once before the trials, from which rates
// follow. It is part of the plan and no evidence.
type Pilot struct {
	Scenario string  `json:"scenario"`
	Variant  string  `json:"variant"`
	Cores    int     `json:"cores"`
	Seed     uint64  `json:"seed"`
	PeakRPS  float64 `json:"peak_rps,omitempty"` // 0: not found yet
	Problem  string  `json:"problem,omitempty"`  // why it could not be found
	// why it may not be the peak: what disturbed it each time it was tried, or why it is a bound
	Doubt string `json:"doubt,omitempty"`
}

// Profile is how much time a run spends: the same protocol, more or less of it.
type Profile struct {
	Name   string `json:"name"`
	About  string `json:"about"`
	Blocks int    `json:"blocks"`
	// of every scenario everything, and not only what a hypothesis needs
	RunAll         bool          `json:"whole,omitempty"`
	WarmUpMax      time.Duration `json:"warm_up_max_ns"` // budget of a warm-up that never gets steady
	PeakDuration   time.Duration `json:"peak_ns"`
	SteadyDuration time.Duration `json:"steady_ns"`
	TimeLimit      time.Duration `json:"limit_ns"` // repeats included; 0 means none
}

// CanCompare reports whether there are blocks enough to compare anything by.
func (p Profile) CanCompare() bool { return p.Blocks >= MinBlocks }

// ProfileNames are the names of all profiles, the shortest first.
func ProfileNames() []string { return []string{"smoke", "quick", "standard", "full"} }

// Trial is one scenario on one variant, once.
type Trial struct {
	Scenario string `json:"scenario"`
	Variant  string `json:"variant"`
	Cores    int    `json:"cores"`    // CPUs that the server is given
	Block    int    `json:"block"`    // from 1
	Position int    `json:"position"` // within the block, from 1
	Attempt  int    `json:"attempt"`  // 1; 2 when a disturbed trial is repeated
	Seed     uint64 `json:"seed"`     // of what is random in the trial: arrivals

	Phases []string `json:"phases,omitempty"` // names of those that it measures; none: all of the scenario
}

// TrialID tells a plan's trials apart, and the attempts at one.
type TrialID struct {
	Scenario, Variant     string
	Cores, Block, Attempt int
}

// ID is what tells the trial apart from all others of its plan.
func (t Trial) ID() TrialID { return TrialID{t.Scenario, t.Variant, t.Cores, t.Block, t.Attempt} }

// Layout says which CPUs do what. The sets of generator and server overlap only
// where a server is to be given every CPU of the machine; nor do their physical
// cores where there are enough of them.
type Layout struct {
	Generator []int    `json:"generator"` // the cell's load generator, and the lab itself
	Server    []int    `json:"server"`
	Doubts    []string `json:"doubts,omitempty"` // what about this layout weakens the figures
}

// SharesCPUs reports whether the generator runs on a CPU of the server's.
func (l Layout) SharesCPUs() bool {
	return slices.ContainsFunc(l.Generator, func(id int) bool { return slices.Contains(l.Server, id) })
}

// AllCPUs is the CPUs of both sides, each once and in order.
func (l Layout) AllCPUs() []int {
	all := slices.Concat(l.Generator, l.Server)
	slices.Sort(all)
	return slices.Compact(all)
}

// Topology is the CPUs that a cell may use, as seen from inside it.
type Topology struct {
	CPUs []CPU `json:"cpus"` // only those in the affinity mask
	// of the CPU, as /proc/cpuinfo names it; on arm64 by maker and part
	CPUModel    string         `json:"model"`
	Kernel      string         `json:"kernel"` // release
	MemoryBytes int64          `json:"memory_bytes"`
	Interfaces  []string       `json:"interfaces"` // network interfaces of the namespace
	Nofile      int            `json:"nofile"`     // hard limit of open files
	Sysctls     map[string]int `json:"sysctls"`    // net.core.somaxconn and the ends of ip_local_port_range

	Conditions Conditions `json:"conditions"`

	// What else tells the machine from others of that CPU, the same after a reboot: the CPU's family
	// and stepping, or its features; the type of machine. Missing in runs of older labs.
	Hardware []string `json:"hardware,omitempty"`
}

// Conditions are what else sets a machine's speed, as far as it lets a container
// see: empty is what it does not.
type Conditions struct {
	// of the CPUs, each once: "performance", "schedutil"
	Governors []string `json:"governors,omitempty"`
	Turbo     string   `json:"turbo,omitempty"` // "on" or "off"
	// as the kernel says it: "on", "off", "notsupported"
	SMT   string `json:"smt,omitempty"`
	Power string `json:"power,omitempty"` // "mains" or "battery"
	// "KVM"; "none" where the CPU says that there is none
	Virtualisation string `json:"virtualisation,omitempty"`
	// by vulnerability, those that the machine has
	Mitigations map[string]string `json:"mitigations,omitempty"`
}

// Doubts are those of them that weaken figures.
func (c Conditions) Doubts() (doubts []string) {
	if c.Power == "battery" {
		doubts = append(doubts, "this machine runs on its battery, which may slow its CPUs at any time")
	}
	for _, g := range c.Governors {
		if g == "powersave" || g == "ondemand" || g == "conservative" {
			doubts = append(doubts,
				fmt.Sprintf("the governor %s sets the CPUs' frequency by their load: what sleeps now and then is "+
					"measured on a slower machine", g))
		}
	}
	return doubts
}

// CPU is one logical processor.
type CPU struct {
	ID       int   `json:"id"`
	Package  int   `json:"package"`
	Siblings []int `json:"siblings"` // logical CPUs of the same physical core, itself included
	Capacity int   `json:"capacity"` // relative speed: equal for equal cores, larger is faster
}

// CPUList writes CPU numbers as the kernel does in Cpus_allowed_list: "0-2,5".
func CPUList(ids []int) string {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	var runs []string
	for i := 0; i < len(ids); {
		first := ids[i]
		last := first
		for i++; i < len(ids) && ids[i] <= last+1; i++ {
			last = ids[i]
		}
		if first == last {
			runs = append(runs, strconv.Itoa(first))
		} else {
			runs = append(runs, fmt.Sprintf("%d-%d", first, last))
		}
	}
	return strings.Join(runs, ",")
}
