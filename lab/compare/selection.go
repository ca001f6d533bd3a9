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
	byName  bool            // by name: in every phase that has them
}

// defaultByKind is what is compared unless asked: of each kind of phase the metrics that
// it is there for, and what they cost.
var defaultByKind = map[lab.PhaseKind][]string{
	lab.Peak: {"throughput_rps", "cpu_us_per_request", "memory_peak_mib", "error_ratio"},
	lab.Ladder: {
		"throughput_rps", "latency_raw_p50_ms", "latency_raw_p99_ms", "cpu_us_per_request",
		"memory_peak_mib", "error_ratio",
	},
	lab.Steady:   openLoopMetrics,
	lab.Steps:    openLoopMetrics,
	lab.Ramp:     openLoopMetrics,
	lab.Capacity: {"capacity_rps"}, // the rest is at rates that two searches need not share
}

// openLoopMetrics is that of an open loop, whose throughput is what was offered.
var openLoopMetrics = []string{
	"goodput_rps", "latency_p50_ms", "latency_p99_ms", "cpu_us_per_request",
	"memory_peak_mib", "error_ratio",
}

// perTrial are the metrics that every row of a trial repeats: they are compared
// once, not for each phase.
var perTrial = []string{"cold_start_ms"}

// DefaultMetrics is the metrics that a reader asks for first.
func DefaultMetrics() Selection {
	names := slices.Clone(perTrial)
	for _, of := range defaultByKind {
		names = append(names, of...)
	}
	return Selection{metrics: filterMetrics(func(m metric.Metric) bool {
		return slices.Contains(names,
			m.Name)
	})}
}

// AllMetrics is every metric of which more is better, or less.
func AllMetrics() Selection {
	return Selection{metrics: filterMetrics(hasDirection), byName: true}
}

// SelectMetrics is the metrics of these names.
func SelectMetrics(names ...string) (Selection, error) {
	valid := AllMetrics().Names()
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
	return Selection{metrics: filterMetrics(func(m metric.Metric) bool {
		return slices.Contains(names,
			m.Name)
	}), byName: true}, nil
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

func hasDirection(m metric.Metric) bool { return m.Better != metric.Neither && m.Kind != metric.String }

func filterMetrics(wanted func(metric.Metric) bool) (all []metric.Metric) {
	for _, m := range metric.Table() {
		if wanted(m) {
			all = append(all, m)
		}
	}
	return all
}

// includes reports whether a metric of a phase is compared. The trial as a whole is
// the phase without a name. Of reference servers the throughput always is read:
// it says whether two runs saw the same machine.
func (s Selection) includes(scenario, phase, name string) bool {
	switch {
	case scenario == lab.ReferenceScenario:
		return name == referenceMetric && phase != ""
	case slices.Contains(perTrial, name) || phase == "":
		return slices.Contains(perTrial, name) && phase == "" && slices.Contains(s.Names(), name)
	case s.byName:
		return slices.Contains(s.Names(), name)
	}
	return slices.Contains(defaultByKind[lab.PhaseKindOf(phase)], name)
}
