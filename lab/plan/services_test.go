package plan_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/plan"
)

// own returns a service that asks for CPUs of its own.
func own(name string, role lab.Role, count int) lab.Service {
	return lab.Service{Name: name, Role: role, CPUs: lab.CPURequest{Count: count}}
}

func TestServicesGetCPUsOfTheirOwnWhereTheMachineHasThem(t *testing.T) {
	two := []lab.CPU{cpu(0, 0, 1024), cpu(1, 0, 1024)}
	four := append(slices.Clone(two), cpu(2, 0, 1024), cpu(3, 0, 1024))
	twoCoresOfTwoThreads := []lab.CPU{
		cpu(0, 0, 1024, 2), cpu(1, 0, 1024, 3), cpu(2, 0, 1024, 0), cpu(3, 0, 1024, 1),
	}
	var eight []lab.CPU // four cores of two threads
	for id := range 8 {
		eight = append(eight, cpu(id, 0, 1024, (id+4)%8))
	}
	unlike := []lab.CPU{
		cpu(0, 0, 446), cpu(1, 0, 446), cpu(2, 0, 1024), cpu(3, 0, 1024), cpu(4, 0, 1024),
	}
	packages := []lab.CPU{cpu(0, 0, 1024), cpu(1, 1, 1024), cpu(2, 0, 1024), cpu(3, 0, 1024)}
	upstream, database := own("upstream", lab.RoleUpstream, 1), own("postgres", lab.RoleDatabase, 1)
	for _, c := range []struct {
		name     string
		cpus     []lab.CPU
		cores    int // of the server
		services []lab.Service
		want     map[string][]int
		shares   bool     // whether the generator must wait in the kernel
		doubts   []string // a part of each
	}{
		{
			"two CPUs: beside the generator", two, 1,
			[]lab.Service{upstream, database},
			map[string][]int{"upstream": {0}, "postgres": {0}},
			true,
			[]string{
				"no CPU is left for the upstream: it shares CPU 0 with the generator",
				"for the database postgres",
			},
		},
		{
			"two CPUs, both the server's", two, 2,
			[]lab.Service{upstream},
			map[string][]int{"upstream": {0}},
			true,
			[]string{"given all 2 CPUs", "shares CPU 0 with the generator and the server"},
		},
		{
			"four CPUs", four, 1,
			[]lab.Service{upstream, database},
			map[string][]int{"upstream": {2}, "postgres": {3}},
			false, nil,
		},
		{
			"four CPUs, one left: the first service has it", four, 2,
			[]lab.Service{database, upstream},
			map[string][]int{"postgres": {3}, "upstream": {0}},
			true,
			[]string{"no CPU is left for the upstream"},
		},
		{
			"two cores of two threads: the generator's core, never the server's", twoCoresOfTwoThreads, 1,
			[]lab.Service{upstream, database},
			map[string][]int{"upstream": {2}, "postgres": {0}},
			true,
			[]string{
				"CPU 2 of the upstream is a hardware thread of the generator's core",
				"for the database postgres",
			},
		},
		{
			"four cores of two threads: a core for each", eight, 1,
			[]lab.Service{upstream, database},
			map[string][]int{"upstream": {2}, "postgres": {3}},
			false, nil,
		},
		{
			"four cores of two threads: all have one CPU before one has two", eight, 1,
			[]lab.Service{own("postgres", lab.RoleDatabase, 2), upstream},
			map[string][]int{"postgres": {2, 6}, "upstream": {3}},
			false,
			[]string{"CPU 6 of the database postgres is a hardware thread of a core that another service may have"},
		},
		{
			"as many CPUs as there are", eight, 1,
			[]lab.Service{own("postgres", lab.RoleDatabase, 9)},
			map[string][]int{"postgres": {2, 3, 4, 6, 7}},
			false,
			[]string{"CPU 6", "CPU 7", "CPU 4 of the database postgres", "has 5 of the 9 CPUs"},
		},
		{
			"unlike cores: the fast ones first", unlike, 1,
			[]lab.Service{upstream, database},
			map[string][]int{"upstream": {4}, "postgres": {0}},
			false,
			[]string{"CPU 0 of the database postgres is a core of another speed than the server's"},
		},
		{
			"packages: the server's first", packages, 1,
			[]lab.Service{upstream, database},
			map[string][]int{"upstream": {3}, "postgres": {1}},
			false, nil,
		},
		{
			"CPUs of other roles, as asked", four, 1,
			[]lab.Service{
				database,
				{Name: "balancer", Role: lab.RoleBalancer, CPUs: lab.CPURequest{SharedWith: lab.RoleServer}},
				{Name: "broker", Role: lab.RoleBroker, CPUs: lab.CPURequest{SharedWith: lab.RoleDatabase}},
				{Name: "upstream", Role: lab.RoleUpstream, CPUs: lab.CPURequest{SharedWith: lab.RoleGenerator}},
			},
			map[string][]int{"postgres": {2}, "balancer": {1}, "broker": {2}, "upstream": {0}},
			true, nil,
		},
		{"no services", four, 1, nil, map[string][]int{}, false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			topology := lab.Topology{CPUs: c.cpus}
			l, err := plan.NewLayout(topology)
			if err == nil && c.cores > 1 {
				l, err = plan.WidenLayout(topology, l, c.cores)
			}
			if err != nil {
				t.Fatal(err)
			}
			got := plan.PlaceServices(l, c.services)
			if len(got.Beside) != len(c.services) {
				t.Fatalf("%d services are placed, want %d: %+v", len(got.Beside), len(c.services), got.Beside)
			}
			for name, want := range c.want {
				if !slices.Equal(got.CPUsOf(name), want) {
					t.Errorf("%s on %v, want %v", name, got.CPUsOf(name), want)
				}
			}
			if got.GeneratorShares() != c.shares {
				t.Errorf("the generator shares its CPU: %v, want %v", got.GeneratorShares(), c.shares)
			}
			if len(got.Doubts) != len(c.doubts) {
				t.Fatalf("doubts %q, want %d", got.Doubts, len(c.doubts))
			}
			for i, part := range c.doubts {
				if !strings.Contains(got.Doubts[i], part) {
					t.Errorf("doubt %q does not say %q", got.Doubts[i], part)
				}
			}
			if len(plan.PlaceServices(l, c.services).Doubts) != len(got.Doubts) {
				t.Error("placing services changes the layout that they are placed in")
			}
		})
	}
}

// No service is on the server's cores unless the server has all CPUs, and no two have the same spare
// CPU.
func TestServicesStayOffTheServersCores(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topology := lab.Topology{CPUs: drawCPUs(t)}
		l, err := plan.NewLayout(topology)
		if err != nil {
			return
		}
		var services []lab.Service
		for i := range rapid.IntRange(1, 4).Draw(t, "services") {
			count := rapid.IntRange(1, 3).Draw(t, "CPUs")
			services = append(services, own(string(rune('a'+i)), lab.RoleDatabase, count))
		}
		placed := plan.PlaceServices(l, services)
		owner := map[int]string{}
		for _, s := range placed.Beside {
			if len(s.CPUs) == 0 {
				t.Fatalf("%s has no CPU: %+v", s.Name, placed)
			}
			for _, c := range topology.CPUs {
				if !slices.Contains(s.CPUs, c.ID) {
					continue
				}
				onServersCore := slices.ContainsFunc(l.Server,
					func(id int) bool { return slices.Contains(c.Siblings, id) })
				if onServersCore && !slices.Contains(l.Generator, c.ID) {
					t.Fatalf("%s is on CPU %d of the server's core: %+v", s.Name, c.ID, placed)
				}
				if other, taken := owner[c.ID]; taken && !slices.Contains(l.Generator, c.ID) {
					t.Fatalf("%s and %s are both on CPU %d", s.Name, other, c.ID)
				}
				owner[c.ID] = s.Name
			}
		}
	})
}

func TestAPlanHasALayoutForEachOfItsScenarios(t *testing.T) {
	topology := lab.Topology{CPUs: []lab.CPU{cpu(0, 0, 1024), cpu(1, 0, 1024), cpu(2, 0, 1024)}}
	l, err := plan.NewLayout(topology)
	if err != nil {
		t.Fatal(err)
	}
	plain, calls, wide, again := scenario("a", "v"), scenario("b", "v"), scenario("c", "v"), scenario("d", "v")
	upstream := []string{"upstream"}
	calls.Services, wide.Services, again.Services = upstream, upstream, upstream
	plain.Cores, calls.Cores, wide.Cores, again.Cores = []int{1}, []int{1}, []int{1, 2}, []int{1}
	p := lab.Plan{Layout: l, Scenarios: []lab.Scenario{plain, calls, wide, again}}
	if p.WiderLayouts, err = plan.WiderLayouts(topology, l, p.Scenarios); err != nil {
		t.Fatal(err)
	}
	var got []string
	table := map[string]lab.Service{"upstream": own("upstream", lab.RoleUpstream, 1)}
	layouts, err := plan.Layouts(p, table)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layouts {
		got = append(got, lab.CPUList(l.Server)+"|"+lab.CPUList(l.CPUsOf("upstream")))
	}
	if want := []string{"1|", "1-2|", "1|2", "1-2|0"}; !slices.Equal(got, want) {
		t.Errorf("layouts (server|upstream) %q, want %q", got, want)
	}
	if _, err := plan.Layouts(p, nil); err == nil {
		t.Error("a scenario has a layout without the service that it names")
	}
}

func TestServicesStartAfterThoseThatTheyDependOn(t *testing.T) {
	table := map[string]lab.Service{"upstream": own("upstream", lab.RoleUpstream, 1)}
	for name, on := range map[string][]string{
		"postgres": nil, "pool": {"postgres"}, "queue": {"pool", "postgres"}, "x": {"y"}, "y": {"x"},
	} {
		table[name] = lab.Service{Name: name, DependsOn: on}
	}
	for _, c := range []struct{ asked, want []string }{
		{nil, nil},
		{[]string{"queue"}, []string{"postgres", "pool", "queue"}},
		{[]string{"upstream", "pool", "queue", "pool"}, []string{"upstream", "postgres", "pool", "queue"}},
	} {
		all, err := plan.StartOrder(table, c.asked)
		var got []string
		for _, s := range all {
			got = append(got, s.Name)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%v start as %v, error %v; want %v", c.asked, got, err, c.want)
		}
	}
	for name, want := range map[string]string{"y": "depends on itself", "mysql": "needs the service mysql"} {
		_, err := plan.StartOrder(table, []string{name})
		if err == nil || !strings.Contains(err.Error(), want) || fault.PartyOf(err) != fault.Lab {
			t.Errorf("%s: %v by %+v, want %s", name, err, fault.PartyOf(err), want)
		}
	}
}
