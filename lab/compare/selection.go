package compare

import (
	"fmt"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
)

// Selection says which metrics of which phases are compared.
type Selection struct {
	metrics []metric.Metric // in the order of the table of metrics
	byName  bool            // selected by name: compared in every phase that has them
}

// perTrialMetrics have the same value in every row of a trial. They are compared once, not
// for each phase.
var perTrialMetrics = []string{"cold_start_ms"}

// DefaultMetrics selects the metrics that each kind of phase is measured for.
func DefaultMetrics() Selection {
	selected := slices.Clone(perTrialMetrics)
	for _, kind := range lab.PhaseKinds() {
		selected = append(selected, kind.Compared...)
	}
	return Selection{metrics: metricsNamed(selected)}
}

// AllMetrics selects every metric that has a better direction.
func AllMetrics() Selection {
	return Selection{metrics: filterMetrics(hasDirection), byName: true}
}

// SelectMetrics selects metrics by name. An unknown name, or a metric without a better
// direction, is a usage error.
func SelectMetrics(names ...string) (Selection, error) {
	valid := AllMetrics().Names()
	for _, name := range names {
		if slices.Contains(valid, name) {
			continue
		}
		err := fmt.Errorf("unknown metric %q; %s", name, message.Suggest(name, valid))
		if m, known := metric.Find(name); known {
			err = fmt.Errorf("metric %q cannot be compared: neither more nor less of it is better (%s)", name, m.About)
		}
		return Selection{}, &fault.Error{Code: fault.ExitUsage, Err: err, Hint: "metrics: " +
			strings.Join(valid, ", ")}
	}
	return Selection{metrics: metricsNamed(names), byName: true}, nil
}

// Metrics returns the selected metrics in the order of the table of metrics.
func (s Selection) Metrics() []metric.Metric { return s.metrics }

// Names returns the names of the selected metrics.
func (s Selection) Names() (names []string) {
	for _, m := range s.metrics {
		names = append(names, m.Name)
	}
	return names
}

func hasDirection(m metric.Metric) bool { return m.Better != metric.Neither && m.Kind != metric.String }

func metricsNamed(names []string) []metric.Metric {
	return filterMetrics(func(m metric.Metric) bool { return slices.Contains(names, m.Name) })
}

func filterMetrics(wanted func(metric.Metric) bool) (all []metric.Metric) {
	for _, m := range metric.Table() {
		if wanted(m) {
			all = append(all, m)
		}
	}
	return all
}

// includes reports whether a metric of a key, whose phase is of a kind, is read.
// The throughput of reference servers is always read: it shows whether the machine was
// equally fast in both runs.
func (s Selection) includes(key Key, kind lab.PhaseKind, name string) bool {
	switch {
	case key.Scenario == lab.ReferenceScenario:
		return name == referenceMetric && key.Phase != ""
	case slices.Contains(perTrialMetrics, name) || key.Phase == "":
		return slices.Contains(perTrialMetrics, name) && key.Phase == "" && slices.Contains(s.Names(), name)
	case s.byName:
		return slices.Contains(s.Names(), name)
	}
	return slices.Contains(kind.Traits().Compared, name)
}
