package compare_test

import (
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/compare"
	"runtimelab/lab/record"
)

// onHost is a machine, with the id that a lab gave it: Hardware is what older labs did not see.
func onHost(id string, memory int64, hardware ...string) record.Host {
	return record.Host{ID: id, Topology: lab.Topology{
		CPUModel: "AMD EPYC", Kernel: "6.1", MemoryBytes: memory, Hardware: hardware,
	}}
}

func TestAHostIsRecognisedByAnOlderId(t *testing.T) {
	const memory = 24684096 << 10
	old, new := other("old", 100, "host_id", "h1"), other("new", 100, "host_id", "h2")
	then, today := ptr(onHost("h1", memory)), ptr(onHost("h2", memory, "family 25"))
	const refused = "host_id: h1 against h2"
	for name, c := range map[string]struct {
		old, new *record.Host // nil: a trials.csv alone
		refused  string       // empty: it is compared
	}{
		"an older lab's, and this one's":          {then, today, ""},
		"an older lab's, before and after a boot": {then, ptr(onHost("h2", memory-4096)), ""},
		"two machines of today's":                 {ptr(onHost("h1", memory, "family 24")), today, refused},
		"an older lab's of another size":          {ptr(onHost("h1", memory/2)), today, refused},
		"rows that are not of their run.json":     {ptr(onHost("h9", memory)), today, refused},
		"a file alone":                            {nil, today, "recognised where run.json lies beside trials.csv"},
	} {
		runs := read(t, compare.DefaultMetrics(), old, new)
		for i, host := range []*record.Host{c.old, c.new} {
			if host != nil {
				runs[i].Info = infoOf()
				runs[i].Info.Host = *host
			}
		}
		err := compare.CheckComparable(runs[0], runs[1:], nil)
		if (err != nil) != (c.refused != "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%s: %v, want %q", name, err, c.refused)
		}
	}
}

// The history of a host goes on under its new id.
func TestTheHistoryOfAHostIsThatOfItsOlderIdToo(t *testing.T) {
	const memory = 24684096 << 10
	tables := []table{other("old", 100, "host_id", "h2"), other("new", 104, "host_id", "h2")}
	for i, id := range []string{"r1", "r2", "r3"} {
		tables = append(tables, other(id, []float64{98, 100, 103}[i], "host_id", "h1"))
	}
	runs := read(t, compare.DefaultMetrics(), tables...)
	for i, r := range runs {
		r.Info = infoOf()
		if r.Info.Host = onHost("h2", memory, "family 25"); i >= 2 {
			r.Info.Host = onHost("h1", memory-4096)
		}
	}
	c := compare.Compare(runs[0], runs[1], 0.05, runs[2:]...)
	if b := line(t, c, "throughput_rps").BetweenRuns; b.Source != compare.FromLine || b.Runs != 3 {
		t.Errorf("%+v, want what 3 runs tell", b)
	}
}

func ptr[T any](v T) *T { return &v }
