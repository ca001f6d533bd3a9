package compare

import (
	"fmt"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// Selection is which metrics of which phases are compared.
type Selection struct {
	metrics []metric.Metric // in the order of the table
	chosen  bool            // by name: in every phase that has them
}

// byKind is what is compared unless asked: of each kind of phase the metrics that
// it is there for, and what they cost.
var byKind = map[lab.PhaseKind][]string{
	lab.Peak:     {"throughput_rps", "cpu_us_per_request", "memory_peak_mib", "error_ratio"},
	lab.Ladder:   {"throughput_rps", "latency_raw_p50_ms", "latency_raw_p99_ms", "cpu_us_per_request", "memory_peak_mib", "error_ratio"},
	lab.Steady:   open,
	lab.Steps:    open,
	lab.Ramp:     open,
	lab.Capacity: {"capacity_rps"}, // the rest is at rates that two searches need not share
}

// open is that of an open loop, whose throughput is what was offered.
var open = []string{"goodput_rps", "latency_p50_ms", "latency_p99_ms", "cpu_us_per_request", "memory_peak_mib", "error_ratio"}

// perTrial are the metrics that every row of a trial repeats: they are compared
// once, not for each phase.
var perTrial = []string{"cold_start_ms"}

// Default is the metrics that a reader asks for first.
func Default() Selection {
	names := slices.Clone(perTrial)
	for _, of := range byKind {
		names = append(names, of...)
	}
	return Selection{metrics: those(func(m metric.Metric) bool { return slices.Contains(names, m.Name) })}
}

// All is every metric of which more is better, or less.
func All() Selection {
	return Selection{metrics: those(directed), chosen: true}
}

// Only is the metrics of these names.
func Only(names ...string) (Selection, error) {
	valid := All().Names()
	for _, name := range names {
		if slices.Contains(valid, name) {
			continue
		}
		err := fmt.Errorf("unknown metric %q; %s", name, lab.Suggest(name, valid))
		if m, known := metric.Find(name); known {
			err = fmt.Errorf("metric %q cannot be compared: neither more nor less of it is better (%s)", name, m.About)
		}
		return Selection{}, &lab.Fault{Code: lab.ExitUsage, Err: err, Hint: "metrics: " + strings.Join(valid, ", ")}
	}
	return Selection{metrics: those(func(m metric.Metric) bool { return slices.Contains(names, m.Name) }), chosen: true}, nil
}

// Metrics are the selected ones, in the order of the table.
func (s Selection) Metrics() []metric.Metric { return s.metrics }

// Names are those of the selected metrics.
func (s Selection) Names() (names []string) {
	for _, m := range s.metrics {
		names = append(names, m.Name)
	}
	return names
}

func directed(m metric.Metric) bool { return m.Better != metric.Neither && m.Kind != metric.String }

func those(wanted func(metric.Metric) bool) (all []metric.Metric) {
	for _, m := range metric.Table() {
		if wanted(m) {
			all = append(all, m)
		}
	}
	return all
}

// takes reports whether a metric of a phase is compared. The trial as a whole is
// the phase without a name. Of reference servers the throughput always is read:
// it says whether two runs saw the same machine.
func (s Selection) takes(scenario, phase, name string) bool {
	switch {
	case scenario == lab.ReferenceScenario:
		return name == referenceMetric && phase != ""
	case slices.Contains(perTrial, name) || phase == "":
		return slices.Contains(perTrial, name) && phase == "" && slices.Contains(s.Names(), name)
	case s.chosen:
		return slices.Contains(s.Names(), name)
	}
	return slices.Contains(byKind[lab.KindOf(phase)], name)
}
