package metric

import (
	"fmt"

	"runtimelab/lab"
)

// Missed is the objectives of a sample's phase that were not met, each with the
// value that was seen. One whose metric the sample does not have was not met:
// nothing shows that it was.
func Missed(s lab.Sample) (missed []string) {
	for _, o := range s.Phase.Objectives {
		m, known := Find(o.Metric)
		if !known {
			missed = append(missed, fmt.Sprintf("%s (no such metric)", o))
			continue
		}
		value, ok := m.Of(s).Float()
		switch {
		case !ok:
			missed = append(missed, fmt.Sprintf("%s (not known)", o))
		case o.Below && value >= o.Limit, !o.Below && value <= o.Limit:
			missed = append(missed, fmt.Sprintf("%s (%s)", o, m.Format(Num(value))))
		}
	}
	return missed
}
