package plan

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"runtimelab/lab"
)

// NewLayout gives one CPU to the generator and another to the server. It
// prefers, in this order: two physical cores, whose other hardware threads
// then stay idle; cores of equal capacity; the highest capacity; one package;
// and the lowest numbers, the generator's first, because interrupts mostly
// land on CPU 0. What it could not have is in the layout's doubts. A topology
// of fewer than two CPUs is a *lab.Fault.
func NewLayout(t lab.Topology) (lab.Layout, error) {
	if len(t.CPUs) < 2 {
		return lab.Layout{}, tooFew(t)
	}
	var best pair
	found := false
	for _, generator := range t.CPUs {
		for _, server := range t.CPUs {
			p := pair{generator, server}
			if generator.ID != server.ID && (!found || p.compare(best) < 0) {
				best, found = p, true
			}
		}
	}
	if !found {
		return lab.Layout{}, tooFew(t)
	}
	return lab.Layout{
		Generator: []int{best.generator.ID},
		Server:    []int{best.server.ID},
		Doubts:    best.doubts(),
	}, nil
}

func tooFew(t lab.Topology) error {
	why := errors.New("lay out CPUs: none is usable")
	if len(t.CPUs) > 0 {
		why = fmt.Errorf("lay out CPUs: only CPU %d is usable, and generator and server need one each", t.CPUs[0].ID)
	}
	return &lab.Fault{
		Code: lab.ExitFailed,
		Err:  why,
		Hint: "use a machine with at least two CPUs, give the virtual machine of the engine two, or widen the engine's CPU affinity (taskset, cpuset)",
	}
}

type pair struct{ generator, server lab.CPU }

func (p pair) sameCore() bool {
	return slices.Contains(p.generator.Siblings, p.server.ID) || slices.Contains(p.server.Siblings, p.generator.ID)
}

func (p pair) unlike() bool { return p.generator.Capacity != p.server.Capacity }

func (p pair) apart() bool { return p.generator.Package != p.server.Package }

// compare orders pairs, the better one first.
func (p pair) compare(o pair) int {
	return cmp.Or(
		falseFirst(p.sameCore(), o.sameCore()),
		falseFirst(p.unlike(), o.unlike()),
		// Of unlike cores the generator takes the faster: a generator that
		// is the limit censors the figure, a slow server core only lowers it.
		cmp.Compare(o.generator.Capacity, p.generator.Capacity),
		cmp.Compare(o.server.Capacity, p.server.Capacity),
		falseFirst(p.apart(), o.apart()),
		cmp.Compare(p.generator.ID, o.generator.ID),
		cmp.Compare(p.server.ID, o.server.ID),
	)
}

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

func (p pair) doubts() []string {
	var doubts []string
	add := func(format string, args ...any) { doubts = append(doubts, fmt.Sprintf(format, args...)) }
	g, s := p.generator, p.server
	if p.sameCore() {
		add("generator (CPU %d) and server (CPU %d) are hardware threads of one physical core and slow each other down", g.ID, s.ID)
	}
	if p.unlike() {
		add("generator (CPU %d) and server (CPU %d) are unlike cores of capacity %d and %d", g.ID, s.ID, g.Capacity, s.Capacity)
	}
	if p.apart() {
		add("generator (CPU %d) and server (CPU %d) are in different packages and share no cache", g.ID, s.ID)
	}
	if s.ID == 0 {
		add("the server is on CPU 0, where most interrupts land")
	}
	return doubts
}
