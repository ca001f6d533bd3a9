package plan

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/message"
)

// StartOrder returns the services of these names from a table, and those that they depend on. Each
// comes after those that it depends on.
func StartOrder(table map[string]lab.Service, names []string) (all []lab.Service, err error) {
	const visiting, added = 1, 2
	state := make(map[string]int)
	var add func(name string) error
	add = func(name string) error {
		s, known := table[name]
		switch {
		case !known:
			return fault.By(fault.Lab, fmt.Errorf("a trial needs the service %s, which this run does not have", name))
		case state[name] == visiting:
			return fault.By(fault.Lab, fmt.Errorf("the service %s depends on itself", name))
		case state[name] == added:
			return nil
		}
		state[name] = visiting
		for _, other := range s.DependsOn {
			if err := add(other); err != nil {
				return err
			}
		}
		state[name] = added
		all = append(all, s)
		return nil
	}
	for _, name := range names {
		if err := add(name); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// LayoutFor returns the layout of a plan's trials: those of a scenario, with the services that it names
// in a table, whose servers have so many CPUs.
func LayoutFor(p lab.Plan, table map[string]lab.Service, scenario string, cores int) (lab.Layout, error) {
	var names []string
	for _, s := range p.Scenarios {
		if s.Name == scenario {
			names = s.Services
		}
	}
	services, err := StartOrder(table, names)
	if err != nil {
		return lab.Layout{}, err
	}
	for _, l := range append([]lab.Layout{p.Layout}, p.WiderLayouts...) {
		if len(l.Server) == cores {
			return PlaceServices(l, services), nil
		}
	}
	return lab.Layout{}, fmt.Errorf("the plan has no layout with %s for a server",
		message.Count(cores, "CPU", "CPUs"))
}

// Layouts returns the layouts of a plan, each once: those for servers alone, and those of its trials
// with services from a table.
func Layouts(p lab.Plan, table map[string]lab.Service) (all []lab.Layout, err error) {
	all = append([]lab.Layout{p.Layout}, p.WiderLayouts...)
	for _, s := range p.Scenarios {
		for _, cores := range s.Cores {
			l, err := LayoutFor(p, table, s.Name, cores)
			if err != nil {
				return nil, err
			}
			if len(l.Beside) > 0 && !slices.ContainsFunc(all,
				func(o lab.Layout) bool { return reflect.DeepEqual(o, l) }) {
				all = append(all, l)
			}
		}
	}
	return all, nil
}

// spareCPUs returns the CPUs that services beside the server may have in layout l, the best first.
// Hardware threads of the server's cores are not among them: work there slows the server. It prefers,
// in this order, cores of their own, one thread of each such core, the highest capacity, the
// server's package, and low numbers.
func spareCPUs(t lab.Topology, l lab.Layout) []lab.SpareCPU {
	var server lab.CPU
	var free []lab.CPU
	for _, c := range t.CPUs {
		switch {
		case slices.Contains(l.Server, c.ID):
			server = c
		case !slices.Contains(l.Generator, c.ID) && !sharesCore(c, l.Server):
			free = append(free, c)
		}
	}
	slices.SortStableFunc(free, func(a, b lab.CPU) int {
		return cmp.Or(
			falseFirst(sharesCore(a, l.Generator), sharesCore(b, l.Generator)),
			cmp.Compare(b.Capacity, a.Capacity),
			falseFirst(a.Package != server.Package, b.Package != server.Package),
			cmp.Compare(a.ID, b.ID),
		)
	})
	var first, second []lab.SpareCPU // threads of their cores
	var used []int
	for _, c := range free {
		spare := lab.SpareCPU{ID: c.ID}
		switch {
		case sharesCore(c, l.Generator):
			spare.Doubt = "a hardware thread of the generator's core"
			second = append(second, spare)
		case sharesCore(c, used):
			spare.Doubt = "a hardware thread of a core that another service may have"
			second = append(second, spare)
		default:
			if c.Capacity != server.Capacity {
				spare.Doubt = "a core of another speed than the server's"
			}
			first = append(first, spare)
		}
		used = append(used, c.ID)
	}
	return append(first, second...)
}

// PlaceServices returns layout l with CPUs for the services of a trial beside its server. Each gets
// CPUs of its own where the layout has spare ones: one for every service in order, then further ones
// for those that ask for more. A service for which none is left shares the generator's, and never the
// server's. A service that asks for the CPUs of another role gets those. What a service asks for and
// does not get becomes a doubt.
func PlaceServices(l lab.Layout, services []lab.Service) lab.Layout {
	placed := lab.Layout{
		Generator: l.Generator, Server: l.Server, Spare: l.Spare, Doubts: slices.Clone(l.Doubts),
	}
	for _, s := range services {
		placed.Beside = append(placed.Beside, lab.ServiceCPUs{Role: s.Role, Name: s.Name})
	}
	dealSpareCPUs(&placed, services)
	for i, s := range services {
		cpus := &placed.Beside[i].CPUs
		switch {
		case s.CPUs.Count == 0:
			*cpus = cpusOfRole(placed, s.CPUs.SharedWith)
		case len(*cpus) == 0:
			*cpus = slices.Clone(l.Generator)
			sharing := "the generator"
			if l.SharesCPUs() {
				sharing = "the generator and the server"
			}
			placed.Doubts = append(placed.Doubts,
				fmt.Sprintf("no CPU is left for %s: it shares CPU %s with %s", s.Title(), lab.CPUList(*cpus), sharing))
		case len(*cpus) < s.CPUs.Count:
			placed.Doubts = append(placed.Doubts, fmt.Sprintf("%s has %d of the %d CPUs that it asks for",
				s.Title(), len(*cpus), s.CPUs.Count))
		}
		slices.Sort(*cpus)
	}
	return placed
}

// dealSpareCPUs gives the spare CPUs of a layout to the services that ask for CPUs of their own, one to
// each in turn.
func dealSpareCPUs(placed *lab.Layout, services []lab.Service) {
	spare := placed.Spare
	for wanted := true; wanted && len(spare) > 0; {
		wanted = false
		for i, s := range services {
			service := &placed.Beside[i]
			if len(service.CPUs) >= s.CPUs.Count || len(spare) == 0 {
				continue
			}
			service.CPUs = append(service.CPUs, spare[0].ID)
			if spare[0].Doubt != "" {
				placed.Doubts = append(placed.Doubts,
					fmt.Sprintf("CPU %d of %s is %s", spare[0].ID, s.Title(), spare[0].Doubt))
			}
			spare, wanted = spare[1:], true
		}
	}
}

// cpusOfRole returns the CPUs of a role in a layout: those of the generator for a role that has none.
func cpusOfRole(l lab.Layout, r lab.Role) []int {
	if r == lab.RoleServer {
		return slices.Clone(l.Server)
	}
	for _, s := range l.Beside {
		if s.Role == r && len(s.CPUs) > 0 {
			return slices.Clone(s.CPUs)
		}
	}
	return slices.Clone(l.Generator)
}
