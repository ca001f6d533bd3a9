package compare_test

import (
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/compare"
	"runtimelab/lab/record"
)

// host returns a machine with the id that a lab gave it. Older labs did not read its hardware.
func host(id string, memory int64, hardware ...string) record.Host {
	return record.Host{ID: id, Topology: lab.Topology{
		CPUModel: "AMD EPYC", Kernel: "6.1", MemoryBytes: memory, Hardware: hardware,
	}}
}

func TestAHostIsRecognisedByItsOlderID(t *testing.T) {
	const memory = 24684096 << 10
	old, new := otherRun("old", 100, "host_id", "h1"), otherRun("new", 100, "host_id", "h2")
	before, now := ptr(host("h1", memory)), ptr(host("h2", memory, "family 25"))
	const refused = "host_id: h1 against h2"
	for name, c := range map[string]struct {
		old, new *record.Host // of run.json; nil without one
		refused  string       // the error; empty: the runs are compared
	}{
		"ids of an older lab and of this one":       {before, now, ""},
		"an older lab, before and after a boot":     {before, ptr(host("h2", memory-4096)), ""},
		"two machines":                              {ptr(host("h1", memory, "family 24")), now, refused},
		"a machine with another size of memory":     {ptr(host("h1", memory/2)), now, refused},
		"a run.json with another id than the rows'": {ptr(host("h9", memory)), now, refused},
		"no run.json":                               {nil, now, "recognises if run.json lies beside trials.csv"},
	} {
		runs := read(t, compare.DefaultMetrics(), old, new)
		for i, h := range []*record.Host{c.old, c.new} {
			if h != nil {
				runs[i].Info = completeRun()
				runs[i].Info.Host = *h
			}
		}
		err := compare.CheckComparable(runs[0], runs[1:], nil)
		if (err != nil) != (c.refused != "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%s: %v, want %q", name, err, c.refused)
		}
	}
}

func TestHistoryIncludesRunsWithTheHostsOlderID(t *testing.T) {
	const memory = 24684096 << 10
	tables := []table{otherRun("old", 100, "host_id", "h2"), otherRun("new", 104, "host_id", "h2")}
	for i, id := range []string{"r1", "r2", "r3"} {
		tables = append(tables, otherRun(id, []float64{98, 100, 103}[i], "host_id", "h1"))
	}
	runs := read(t, compare.DefaultMetrics(), tables...)
	for i, r := range runs {
		r.Info = completeRun()
		if r.Info.Host = host("h2", memory, "family 25"); i >= 2 {
			r.Info.Host = host("h1", memory-4096)
		}
	}
	c := compare.Compare(runs[0], runs[1], 0.05, runs[2:]...)
	if b := line(t, c, "throughput_rps").BetweenRuns; b.Source != compare.FromLine || b.Runs != 3 {
		t.Errorf("%+v, want the variance of 3 runs", b)
	}
}

func ptr[T any](v T) *T { return &v }
