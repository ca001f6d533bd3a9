package metric

import (
	"fmt"

	"runtimelab/lab"
)

// Objectives says which objectives of a sample's phase were missed, each with the
// value that was seen, and of which nothing is known: a quantile that the count
// does not support shows neither.
func Objectives(s lab.Sample) (missed, unknown []string) {
	for _, o := range s.Phase.Objectives {
		m, known := Find(o.Metric)
		if !known {
			unknown = append(unknown, o.Metric)
			continue
		}
		value, ok := m.Of(s).Float()
		switch {
		case !ok:
			unknown = append(unknown, o.Metric)
		case o.Below && value >= o.Limit, !o.Below && value <= o.Limit:
			missed = append(missed, fmt.Sprintf("%s (%s)", o, m.Format(Num(value))))
		}
	}
	return missed, unknown
}
