package plan

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/fault"
)

// NewLayout gives one CPU to the generator and another to the server. It prefers, in this
// order: two physical cores, whose other hardware threads then stay idle; cores of
// equal capacity; the highest capacity; one package; and the lowest numbers, the
// generator's first, because most interrupts land on CPU 0. Preferences that the
// machine cannot meet become the layout's doubts. Fewer than two CPUs are a *fault.Error.
func NewLayout(t lab.Topology) (lab.Layout, error) {
	if len(t.CPUs) < 2 {
		return lab.Layout{}, tooFewCPUs(t)
	}
	var best cpuPair
	found := false
	for _, generator := range t.CPUs {
		for _, server := range t.CPUs {
			p := cpuPair{generator, server}
			if generator.ID != server.ID && (!found || p.compare(best) < 0) {
				best, found = p, true
			}
		}
	}
	if !found {
		return lab.Layout{}, tooFewCPUs(t)
	}
	l := lab.Layout{
		Generator: []int{best.generator.ID},
		Server:    []int{best.server.ID},
		Doubts:    best.doubts(),
	}
	l.Spare = spareCPUs(t, l)
	return l, nil
}

// WidenLayout returns layout l with cores CPUs for the server, by the same preferences as
// NewLayout. The server gets the generator's CPU only if it needs all. More CPUs than
// the topology has are a *fault.Error.
func WidenLayout(t lab.Topology, l lab.Layout, cores int) (lab.Layout, error) {
	if cores > len(t.CPUs) {
		return lab.Layout{}, &fault.Error{
			Code: fault.ExitFailed,
			Err:  fmt.Errorf("lay out CPUs: a server needs %d, this machine has %d", cores, len(t.CPUs)),
			Hint: "leave the scenario out, or use a machine with more CPUs",
		}
	}
	byID := map[int]lab.CPU{}
	for _, c := range t.CPUs {
		byID[c.ID] = c
	}
	generator, first := byID[l.Generator[0]], byID[l.Server[0]]
	rest := slices.DeleteFunc(slices.Clone(t.CPUs), func(c lab.CPU) bool { return c.ID == first.ID })
	slices.SortFunc(rest, func(a, b lab.CPU) int {
		return cmp.Or(
			falseFirst(a.ID == generator.ID, b.ID == generator.ID), // the generator's CPU comes last
			cpuPair{generator, a}.compare(cpuPair{generator, b}),
		)
	})
	wide := lab.Layout{
		Generator: slices.Clone(l.Generator), Server: []int{first.ID},
		Doubts: slices.Clone(l.Doubts),
	}
	for _, c := range rest[:cores-1] {
		wide.Server = append(wide.Server, c.ID)
		switch {
		case c.ID == generator.ID:
			wide.Doubts = append(wide.Doubts,
				fmt.Sprintf("the server is given all %d CPUs, and the generator runs on one of them", cores))
		case slices.Contains(generator.Siblings, c.ID) || sharesCore(c, wide.Server[:len(wide.Server)-1]):
			wide.Doubts = append(wide.Doubts,
				fmt.Sprintf("CPU %d of the server is a hardware thread of a core that is in use already", c.ID))
		case c.Capacity != first.Capacity:
			wide.Doubts = append(wide.Doubts,
				fmt.Sprintf("CPUs %d and %d of the server are on cores of different speed", first.ID, c.ID))
		}
	}
	slices.Sort(wide.Server)
	wide.Spare = spareCPUs(t, wide)
	return wide, nil
}

// sharesCore reports whether c is a hardware thread of the same core as one of the CPUs.
func sharesCore(c lab.CPU, cpus []int) bool {
	return slices.ContainsFunc(cpus, func(id int) bool { return slices.Contains(c.Siblings, id) })
}

// WiderLayouts returns the layouts that scenarios need in addition to l, which is for
// servers on a single CPU.
func WiderLayouts(t lab.Topology, l lab.Layout, scenarios []lab.Scenario) (all []lab.Layout, err error) {
	var cores []int
	for _, s := range scenarios {
		cores = append(cores, s.Cores...)
	}
	slices.Sort(cores)
	for _, n := range slices.Compact(cores) {
		if n == 1 {
			continue
		}
		wide, err := WidenLayout(t, l, n)
		if err != nil {
			return nil, err
		}
		all = append(all, wide)
	}
	return all, nil
}

// tooFewCPUs returns the error for a topology of fewer than two CPUs.
func tooFewCPUs(t lab.Topology) error {
	why := errors.New("lay out CPUs: none is usable")
	if len(t.CPUs) > 0 {
		why = fmt.Errorf("lay out CPUs: only CPU %d is usable, and generator and server need one each",
			t.CPUs[0].ID)
	}
	return &fault.Error{
		Code: fault.ExitFailed,
		Err:  why,
		Hint: "use a machine with at least two CPUs, give the virtual machine of the engine two, or widen the " +
			"engine's CPU affinity (taskset, cpuset)",
	}
}

// cpuPair is a choice of CPUs for a layout.
type cpuPair struct{ generator, server lab.CPU }

func (p cpuPair) sameCore() bool {
	return slices.Contains(p.generator.Siblings, p.server.ID) ||
		slices.Contains(p.server.Siblings, p.generator.ID)
}

func (p cpuPair) differentCapacity() bool { return p.generator.Capacity != p.server.Capacity }

func (p cpuPair) differentPackages() bool { return p.generator.Package != p.server.Package }

// compare orders pairs, the better one first.
func (p cpuPair) compare(o cpuPair) int {
	return cmp.Or(
		falseFirst(p.sameCore(), o.sameCore()),
		falseFirst(p.differentCapacity(), o.differentCapacity()),
		// The generator gets the faster core: a generator at its limit censors the
		// figure, a slow server only lowers it.
		cmp.Compare(o.generator.Capacity, p.generator.Capacity),
		cmp.Compare(o.server.Capacity, p.server.Capacity),
		falseFirst(p.differentPackages(), o.differentPackages()),
		cmp.Compare(p.generator.ID, o.generator.ID),
		cmp.Compare(p.server.ID, o.server.ID),
	)
}

// falseFirst orders false before true.
func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}

// doubts returns which preferences of NewLayout the pair does not meet.
func (p cpuPair) doubts() []string {
	var doubts []string
	add := func(format string, args ...any) { doubts = append(doubts, fmt.Sprintf(format, args...)) }
	g, s := p.generator, p.server
	if p.sameCore() {
		add("generator (CPU %d) and server (CPU %d) are hardware threads of one physical core and slow each "+
			"other down", g.ID, s.ID)
	}
	if p.differentCapacity() {
		add("generator (CPU %d) and server (CPU %d) are on cores of different speed (capacity %d and %d)",
			g.ID, s.ID, g.Capacity, s.Capacity)
	}
	if p.differentPackages() {
		add("generator (CPU %d) and server (CPU %d) are in different packages and share no cache", g.ID, s.ID)
	}
	if s.ID == 0 {
		add("the server is on CPU 0, where most interrupts land")
	}
	return doubts
}
