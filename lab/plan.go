package lab

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Plan lists everything that a run will do. It is fixed before the run starts and
// reproducible from its seed.
type Plan struct {
	Profile    Profile    `json:"profile"`
	Seed       uint64     `json:"seed"`
	Scenarios  []Scenario `json:"scenarios"`
	Trials     []Trial    `json:"trials"`  // in the order of execution
	MaxRepeats int        `json:"repeats"` // how many disturbed trials may be repeated, each once
	Pilots     []Pilot    `json:"pilots,omitempty"`
	Generator  Generator  `json:"generator"` // of every attack

	Hypotheses []Hypothesis `json:"hypotheses,omitempty"` // tested by this run
	// UntestedHypotheses are those that only a longer profile or another selection tests.
	UntestedHypotheses []Hypothesis `json:"beyond,omitempty"`
	Controls           []Control    `json:"controls,omitempty"`
	PlannedPromises
	RuntimeFacts

	PlannedClaims

	Layout       Layout   `json:"layout"`            // for servers with one CPU
	WiderLayouts []Layout `json:"layouts,omitempty"` // for servers with more CPUs
}

// PlannedPromises are the promises of a plan.
type PlannedPromises struct {
	Promises []Promise `json:"promises,omitempty"` // tested by this run
	// UntestedPromises are those that only a longer profile or another selection tests.
	UntestedPromises []Promise `json:"promises_beyond,omitempty"`
}

// PlannedClaims are the claims that the scripts of a plan defined, and the topics that no run tests.
type PlannedClaims struct {
	// Claims are in the order of reports. Nil: the run is of a lab that did not record them.
	Claims           []Claim           `json:"claims"`
	UntestableTopics []UntestableTopic `json:"untestable,omitempty"`
}

// RuntimeFacts are facts about the runtimes of a plan that its verdicts need.
type RuntimeFacts struct {
	// Peers holds the peers of the runtimes that have any, by runtime. Nil: an older lab made the plan
	// and did not record them.
	Peers map[string]Peers `json:"peers,omitzero"`

	// OwnServers are the ids of the variants whose servers need not report an identity.
	OwnServers []string `json:"own_servers,omitempty"`
}

// Pilot is a variant's peak, measured once before the trials to derive rates from
// it. It is part of the plan and not evidence for any claim.
type Pilot struct {
	Scenario string  `json:"scenario"`
	Variant  string  `json:"variant"`
	Cores    int     `json:"cores"`
	Seed     uint64  `json:"seed"`
	PeakRPS  float64 `json:"peak_rps,omitempty"` // 0: not measured yet
	Problem  string  `json:"problem,omitempty"`  // why it could not be measured
	// Doubt says why PeakRPS may not be the peak: each attempt was disturbed, or it is a lower bound.
	Doubt string `json:"doubt,omitempty"`
}

// Profile sets how much time a run spends. All profiles follow the same protocol.
type Profile struct {
	Name   string `json:"name"`
	About  string `json:"about"`
	Blocks int    `json:"blocks"`
	// RunAll runs all phases of every scenario, not only those that a hypothesis needs.
	RunAll         bool          `json:"whole,omitempty"`
	WarmUpMax      time.Duration `json:"warm_up_max_ns"` // limit of a warm-up that never becomes steady
	PeakDuration   time.Duration `json:"peak_ns"`
	SteadyDuration time.Duration `json:"steady_ns"`
	TimeLimit      time.Duration `json:"limit_ns"` // repeats included; 0: no limit
}

// CanCompare reports whether the profile has enough blocks for comparisons.
func (p Profile) CanCompare() bool { return p.Blocks >= MinBlocks }

// ProfileNames returns the names of all profiles, the shortest first.
func ProfileNames() []string { return []string{"smoke", "quick", "standard", "full"} }

// Trial is one measured execution of a scenario on a variant.
type Trial struct {
	Scenario string `json:"scenario"`
	Variant  string `json:"variant"`
	Cores    int    `json:"cores"`    // CPUs of the server
	Block    int    `json:"block"`    // from 1
	Position int    `json:"position"` // within the block, from 1
	Attempt  int    `json:"attempt"`  // 1; 2 when a disturbed trial is repeated
	Seed     uint64 `json:"seed"`     // of the random arrivals

	// Phases are the names of the phases that it measures; empty: all of the scenario.
	Phases []string `json:"phases,omitempty"`
}

// TrialID identifies one attempt at one trial of a plan.
type TrialID struct {
	Scenario string `json:"scenario"`
	Variant  string `json:"variant"`
	Cores    int    `json:"server_cpus"`
	Block    int    `json:"block"`
	Attempt  int    `json:"attempt"`
}

// ID returns the trial's identity within its plan.
func (t Trial) ID() TrialID { return TrialID{t.Scenario, t.Variant, t.Cores, t.Block, t.Attempt} }

// Layout assigns CPUs to the generator, the server and the services beside it. Those of generator and
// server overlap only if the server gets every CPU of the machine. They share no physical core if the
// machine has enough of them.
type Layout struct {
	Generator []int      `json:"generator"` // also runs the lab itself
	Server    []int      `json:"server"`
	Spare     []SpareCPU `json:"spare,omitempty"` // what services beside the server may have, the best first
	// Beside are the CPUs of the services that a trial has beside the server, in the order of the
	// trial. A plan's layouts have none: plan.PlaceServices adds them.
	Beside []ServiceCPUs `json:"beside,omitempty"`
	Doubts []string      `json:"doubts,omitempty"` // reasons why the layout weakens the figures
}

// SpareCPU is a CPU that neither the generator nor the server has.
type SpareCPU struct {
	ID    int    `json:"cpu"`
	Doubt string `json:"doubt,omitempty"` // why it is not as good as a core of its own; empty if it is
}

// ServiceCPUs holds the CPUs of one service beside the server.
type ServiceCPUs struct {
	Role Role   `json:"role"`
	Name string `json:"name"`
	CPUs []int  `json:"cpus"`
}

// SharesCPUs reports whether the generator runs on one of the server's CPUs.
func (l Layout) SharesCPUs() bool { return overlap(l.Generator, l.Server) }

// GeneratorShares reports whether the generator runs on a CPU of anything that is measured: it then
// waits in the kernel instead of polling.
func (l Layout) GeneratorShares() bool {
	return l.SharesCPUs() || slices.ContainsFunc(l.Beside, l.BesideGenerator)
}

// CPUsOf returns the CPUs of a service beside the server, or nil if the layout has none for it.
func (l Layout) CPUsOf(service string) []int {
	for _, s := range l.Beside {
		if s.Name == service {
			return s.CPUs
		}
	}
	return nil
}

// BesideGenerator reports whether a service has a CPU of the generator.
func (l Layout) BesideGenerator(s ServiceCPUs) bool { return overlap(l.Generator, s.CPUs) }

// AllCPUs returns the CPUs of all parties, sorted and without duplicates.
func (l Layout) AllCPUs() []int {
	all := slices.Concat(l.Generator, l.Server)
	for _, s := range l.Beside {
		all = append(all, s.CPUs...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// overlap reports whether two sets of CPUs have one in common.
func overlap(a, b []int) bool {
	return slices.ContainsFunc(a, func(id int) bool { return slices.Contains(b, id) })
}

// Topology describes the machine as a cell sees it.
type Topology struct {
	CPUs []CPU `json:"cpus"` // those in the cell's affinity mask
	// CPUModel is the model name in /proc/cpuinfo; on arm64 the implementer and part numbers.
	CPUModel    string         `json:"model"`
	Kernel      string         `json:"kernel"` // release
	MemoryBytes int64          `json:"memory_bytes"`
	Interfaces  []string       `json:"interfaces"` // network interfaces of the namespace
	Nofile      int            `json:"nofile"`     // hard limit of open files
	Sysctls     map[string]int `json:"sysctls"`    // net.core.somaxconn and the ends of ip_local_port_range

	Conditions Conditions `json:"conditions"`

	// Hardware identifies the machine among others of that CPU model, and survives a reboot: the CPU's
	// family and stepping, or its features; the type of machine. Runs of older labs have none.
	Hardware []string `json:"hardware,omitempty"`
}

// Conditions describes what influences the machine's speed, as far as a container
// can read it. An empty field is unknown.
type Conditions struct {
	// Governors are the CPU frequency governors in use, without duplicates: "performance", "schedutil".
	Governors []string `json:"governors,omitempty"`
	Turbo     string   `json:"turbo,omitempty"` // "on" or "off"
	// SMT is the kernel's state of SMT: "on", "off", "notsupported".
	SMT   string `json:"smt,omitempty"`
	Power string `json:"power,omitempty"` // "mains" or "battery"
	// Virtualisation is the hypervisor: "KVM"; "none" if the CPU reports that there is none.
	Virtualisation string `json:"virtualisation,omitempty"`
	// Mitigations maps each CPU vulnerability of the machine to its mitigation.
	Mitigations map[string]string `json:"mitigations,omitempty"`
}

// Doubts returns a message for each condition that weakens the figures.
func (c Conditions) Doubts() (doubts []string) {
	if c.Power == "battery" {
		doubts = append(doubts, "this machine runs on its battery, which may slow its CPUs at any time")
	}
	for _, g := range c.Governors {
		if g == "powersave" || g == "ondemand" || g == "conservative" {
			doubts = append(doubts,
				fmt.Sprintf("the CPU governor %s changes the frequency with the load: a server that often idles "+
					"runs on slower CPUs", g))
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

// CPUList formats CPU numbers as the kernel does in Cpus_allowed_list: "0-2,5".
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
