package plan_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/plan"
)

func cpu(id, pkg, capacity int, siblings ...int) lab.CPU {
	return lab.CPU{ID: id, Package: pkg, Capacity: capacity, Siblings: append([]int{id}, siblings...)}
}

func TestNewLayoutTakesTheBestPairOfCPUs(t *testing.T) {
	for _, c := range []struct {
		name              string
		cpus              []lab.CPU
		generator, server int
		doubts            []string // a part of each
	}{
		{"two cores", []lab.CPU{cpu(0, 0, 1024), cpu(1, 0, 1024)}, 0, 1, nil},
		{"two cores, listed backwards", []lab.CPU{cpu(1, 0, 1024), cpu(0, 0, 1024)}, 0, 1, nil},
		{
			"two hardware threads of one core",
			[]lab.CPU{cpu(0, 0, 1024, 1), cpu(1, 0, 1024, 0)},
			0, 1,
			[]string{"one physical core"},
		},
		{
			"two cores of two threads, numbered in turn",
			[]lab.CPU{cpu(0, 0, 1024, 2), cpu(1, 0, 1024, 3), cpu(2, 0, 1024, 0), cpu(3, 0, 1024, 1)},
			0, 1, nil,
		},
		{
			"two cores of two threads, numbered in pairs",
			[]lab.CPU{cpu(0, 0, 1024, 1), cpu(1, 0, 1024, 0), cpu(2, 0, 1024, 3), cpu(3, 0, 1024, 2)},
			0, 2, nil,
		},
		{"eight cores, the fast ones last", []lab.CPU{
			cpu(0, 0, 446), cpu(1, 0, 446), cpu(2, 0, 446), cpu(3, 0, 446),
			cpu(4, 0, 1024), cpu(5, 0, 1024), cpu(6, 0, 1024), cpu(7, 0, 1024),
		}, 4, 5, nil},
		{
			"one prime core and three middling: equal ones first",
			[]lab.CPU{cpu(0, 0, 300), cpu(1, 0, 800), cpu(2, 0, 800), cpu(3, 0, 1024)},
			1, 2, nil,
		},
		{
			"one fast core of two threads and two slow ones",
			[]lab.CPU{cpu(0, 0, 1024, 1), cpu(1, 0, 1024, 0), cpu(2, 0, 600), cpu(3, 0, 600)},
			2, 3, nil,
		},
		{
			"one fast core of two threads and one slow: separate cores before equal ones",
			[]lab.CPU{cpu(0, 0, 1024, 1), cpu(1, 0, 1024, 0), cpu(2, 0, 600)},
			0, 2,
			[]string{"capacity 1024 and 600"},
		},
		{
			"cores of different speed, the slow one first: the generator is fast",
			[]lab.CPU{cpu(0, 0, 600), cpu(1, 0, 1024)},
			1, 0,
			[]string{"capacity 1024 and 600", "CPU 0, where"},
		},
		{
			"three cores of different speed: the fastest two",
			[]lab.CPU{cpu(0, 0, 300), cpu(1, 0, 600), cpu(2, 0, 1024)},
			2, 1,
			[]string{"capacity 1024 and 600"},
		},
		{"affinity restricted to 2 and 3", []lab.CPU{cpu(2, 0, 1024, 0), cpu(3, 0, 1024, 1)}, 2, 3, nil},
		{"two packages", []lab.CPU{cpu(0, 0, 1024), cpu(1, 1, 1024), cpu(2, 0, 1024), cpu(3, 1, 1024)}, 0, 2, nil},
		{
			"one core of two threads in each of two packages",
			[]lab.CPU{cpu(0, 0, 1024, 2), cpu(1, 1, 1024, 3), cpu(2, 0, 1024, 0), cpu(3, 1, 1024, 1)},
			0, 1,
			[]string{"different packages"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := plan.NewLayout(lab.Topology{CPUs: c.cpus})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.Generator, []int{c.generator}) || !slices.Equal(got.Server, []int{c.server}) {
				t.Errorf("generator %v server %v, want %d and %d", got.Generator, got.Server, c.generator, c.server)
			}
			if len(got.Doubts) != len(c.doubts) {
				t.Fatalf("doubts %q, want %d", got.Doubts, len(c.doubts))
			}
			for i, part := range c.doubts {
				if !strings.Contains(got.Doubts[i], part) {
					t.Errorf("doubt %q does not say %q", got.Doubts[i], part)
				}
			}
		})
	}
}

func TestLayoutNeedsTwoCPUs(t *testing.T) {
	for name, c := range map[string]struct {
		cpus []lab.CPU
		says string
	}{
		"none":              {nil, "none is usable"},
		"one":               {[]lab.CPU{cpu(0, 0, 1024)}, "only CPU 0 is usable"},
		"one of many":       {[]lab.CPU{cpu(3, 0, 1024, 1)}, "only CPU 3 is usable"},
		"one, listed twice": {[]lab.CPU{cpu(0, 0, 1024), cpu(0, 0, 1024)}, "only CPU 0 is usable"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := plan.NewLayout(lab.Topology{CPUs: c.cpus})
			var userErr *fault.Error
			if !errors.As(err, &userErr) || userErr.Code != fault.ExitFailed || userErr.Hint == "" {
				t.Fatalf("%v is not a fault with exit %d and a hint", err, fault.ExitFailed)
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("%q does not say %q", err, c.says)
			}
		})
	}
}

// drawCPUs draws the usable CPUs of a random machine.
func drawCPUs(t *rapid.T) []lab.CPU {
	cores := rapid.IntRange(1, 6).Draw(t, "cores")
	threads := rapid.IntRange(1, 2).Draw(t, "threads")
	var all []lab.CPU
	for core := range cores {
		capacity := rapid.SampledFrom([]int{512, 1024}).Draw(t, "capacity")
		pkg := rapid.IntRange(0, 1).Draw(t, "package")
		for thread := range threads {
			c := lab.CPU{ID: core + thread*cores, Package: pkg, Capacity: capacity}
			for sibling := range threads {
				c.Siblings = append(c.Siblings, core+sibling*cores)
			}
			all = append(all, c)
		}
	}
	all = rapid.Permutation(all).Draw(t, "order")
	return all[:rapid.IntRange(0, len(all)).Draw(t, "usable")]
}

func TestNewLayoutSeparatesCoresWhereItCan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cpus := drawCPUs(t)
		layout, err := plan.NewLayout(lab.Topology{CPUs: cpus})
		if len(cpus) < 2 {
			if err == nil {
				t.Fatal("a layout of fewer than two CPUs")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		byID := map[int]lab.CPU{}
		for _, c := range cpus {
			byID[c.ID] = c
		}
		generator, known := byID[layout.Generator[0]]
		server, alsoKnown := byID[layout.Server[0]]
		if !known || !alsoKnown || len(layout.Generator) != 1 || len(layout.Server) != 1 {
			t.Fatalf("%+v is not one usable CPU for each", layout)
		}
		if generator.ID == server.ID {
			t.Fatalf("both on CPU %d", server.ID)
		}
		shared := slices.Contains(generator.Siblings, server.ID)
		for _, a := range cpus {
			for _, b := range cpus {
				if separate := !slices.Contains(a.Siblings, b.ID); separate && shared {
					t.Fatalf("%+v shares a core although %d and %d do not", layout, a.ID, b.ID)
				} else if separate && a.Capacity == b.Capacity && generator.Capacity != server.Capacity {
					t.Fatalf("%+v has cores of different speed although %d and %d are equal", layout, a.ID, b.ID)
				}
			}
		}
		weak := shared || generator.Capacity != server.Capacity || generator.Package != server.Package ||
			server.ID == 0
		if weak != (len(layout.Doubts) > 0) {
			t.Fatalf("doubts %q about %+v and %+v", layout.Doubts, generator, server)
		}
	})
}
