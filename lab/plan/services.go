package plan

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"runtimelab/lab"
)

// ServicesOf returns the services that a scenario has beside the server, as far as layouts need them.
func ServicesOf(s lab.Scenario) []lab.Service {
	if !s.Upstream {
		return nil
	}
	return []lab.Service{{
		Role: lab.RoleUpstream, Name: string(lab.RoleUpstream), CPUs: lab.CPURequest{Count: 1},
	}}
}

// Layouts returns the layouts of a plan's trials, each once: those of scenarios without services first.
func Layouts(p lab.Plan) (all []lab.Layout) {
	for _, l := range append([]lab.Layout{p.Layout}, p.WiderLayouts...) {
		all = append(all, l)
		for _, s := range p.Scenarios {
			services := ServicesOf(s)
			if len(services) == 0 || !slices.Contains(s.Cores, len(l.Server)) {
				continue
			}
			placed := PlaceServices(l, services)
			if !slices.ContainsFunc(all, func(o lab.Layout) bool { return reflect.DeepEqual(o, placed) }) {
				all = append(all, placed)
			}
		}
	}
	return all
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
				fmt.Sprintf("no CPU is left for the %s: it shares CPU %s with %s", s.Name, lab.CPUList(*cpus), sharing))
		case len(*cpus) < s.CPUs.Count:
			placed.Doubts = append(placed.Doubts, fmt.Sprintf("the %s has %d of the %d CPUs that it asks for",
				s.Name, len(*cpus), s.CPUs.Count))
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
					fmt.Sprintf("CPU %d of the %s is %s", spare[0].ID, s.Name, spare[0].Doubt))
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
