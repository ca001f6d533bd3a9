package metric

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"runtimelab/lab"
)

// textColumn returns the Extract of a string column. An empty text is missing. The
// functions below do the same for other kinds.
func textColumn(extract func(lab.Sample) string) func(lab.Sample) Value {
	return func(s lab.Sample) Value { return Text(extract(s)) }
}

// countColumn is for numbers that start at 1: 0 is missing.
func countColumn(extract func(lab.Sample) int64) func(lab.Sample) Value {
	return func(s lab.Sample) Value {
		if n := extract(s); n > 0 {
			return Int(n)
		}
		return Value{}
	}
}

func numberColumn(extract func(lab.Sample) (float64, bool)) func(lab.Sample) Value {
	return func(s lab.Sample) Value {
		if f, ok := extract(s); ok {
			return Number(f)
		}
		return Value{}
	}
}

func integerColumn(extract func(lab.Sample) (int64, bool)) func(lab.Sample) Value {
	return func(s lab.Sample) Value {
		if n, ok := extract(s); ok {
			return Int(n)
		}
		return Value{}
	}
}

func attackColumn(extract func(lab.AttackResult) Value) func(lab.Sample) Value {
	return func(s lab.Sample) Value {
		if s.Attack == nil {
			return Value{}
		}
		return extract(*s.Attack)
	}
}

func warmUpColumn(extract func(lab.AttackResult) Value) func(lab.Sample) Value {
	return func(s lab.Sample) Value {
		if s.WarmUp == nil {
			return Value{}
		}
		return extract(*s.WarmUp)
	}
}

func rawLatency(quantile func(lab.Latency) *float64) func(lab.Sample) Value {
	return latencyBelowOverload(func(a lab.AttackResult) *lab.Latency { return a.Raw }, quantile)
}

func firstByteLatency(quantile func(lab.Latency) *float64) func(lab.Sample) Value {
	return latencyBelowOverload(func(a lab.AttackResult) *lab.Latency { return a.FirstByte }, quantile)
}

func correctedLatency(quantile func(lab.Latency) *float64) func(lab.Sample) Value {
	return openLoopLatency(func(a lab.AttackResult) *lab.Latency { return a.Corrected }, quantile)
}

// openLoopLatency extracts a quantile that only a schedule gives a meaning. It is missing
// in a closed loop, whatever the attack result holds.
func openLoopLatency(
	which func(lab.AttackResult) *lab.Latency, quantile func(lab.Latency) *float64,
) func(lab.Sample) Value {
	value := latencyBelowOverload(which, quantile)
	return func(s lab.Sample) Value {
		if !IsOpenLoop(s) {
			return Value{}
		}
		return value(s)
	}
}

// latencyBelowOverload extracts a quantile that is missing in an overload, where latency
// depends on the duration.
func latencyBelowOverload(
	which func(lab.AttackResult) *lab.Latency, quantile func(lab.Latency) *float64,
) func(lab.Sample) Value {
	return func(s lab.Sample) Value {
		if s.Attack == nil || s.Phase.Overloads() {
			return Value{}
		}
		return latencyValue(which(*s.Attack), quantile)
	}
}

func latencyValue(l *lab.Latency, quantile func(lab.Latency) *float64) Value {
	if l == nil || l.Count <= 0 {
		return Value{}
	}
	if ms := quantile(*l); ms != nil {
		return Number(*ms)
	}
	return Value{}
}

func mean(l lab.Latency) *float64       { return &l.MeanMS }
func p50(l lab.Latency) *float64        { return l.P50MS }
func p90(l lab.Latency) *float64        { return l.P90MS }
func p99(l lab.Latency) *float64        { return l.P99MS }
func p999(l lab.Latency) *float64       { return l.P999MS }
func maxLatency(l lab.Latency) *float64 { return &l.MaxMS }

func startedAt(s lab.Sample) string {
	if s.StartedAt.IsZero() {
		return ""
	}
	return FormatTimestamp(s.StartedAt)
}

// FormatTimestamp formats a time as all files of a run do: RFC 3339 in UTC with
// milliseconds.
func FormatTimestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

func variantID(s lab.Sample) string {
	if s.Variant.Name == "" {
		return s.Trial.Variant
	}
	return s.Variant.ID()
}

// loopMode returns how the phase offers its load: open or closed.
func loopMode(s lab.Sample) string {
	switch {
	case s.Phase.Kind == "":
		return ""
	case IsOpenLoop(s):
		return "open"
	}
	return "closed"
}

// parameters returns the script's parameters as name=value, sorted by name.
func parameters(s lab.Sample) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(s.Scenario.Parameters)) {
		all = append(all, name+"="+s.Scenario.Parameters[name])
	}
	return strings.Join(all, " ")
}

func keepAlive(s lab.Sample) string {
	if s.Phase.Kind == "" {
		return ""
	}
	return strconv.FormatBool(!s.Phase.ConnectionPerRequest)
}

func phaseID(s lab.Sample) string { return s.Phase.ID() }

func deadlineMS(s lab.Sample) (float64, bool) {
	return 1000 * s.Phase.DeadlineS, IsOpenLoop(s) && s.Phase.DeadlineS > 0
}

func upstreamHits(s lab.Sample) (int64, bool) {
	if s.Upstream == nil {
		return 0, false
	}
	return s.Upstream.Calls, true
}

// sloState returns "met", "missed: ..." or "unknown: ...".
func sloState(s lab.Sample) string {
	switch {
	case s.Attack == nil || len(s.Phase.Objectives) == 0:
		return ""
	case len(s.MissedObjectives) > 0:
		return "missed: " + strings.Join(s.MissedObjectives, ", ")
	case len(s.MetricsWithoutValue) > 0:
		return "unknown: " + strings.Join(s.MetricsWithoutValue, ", ")
	}
	return "met"
}

func coldStartMS(s lab.Sample) (float64, bool) {
	if s.ColdStart == nil {
		return 0, false
	}
	return float64(*s.ColdStart) / float64(time.Millisecond), true
}

func memoryPeakMiB(s lab.Sample) (float64, bool) {
	if !s.ServerUsage.Known || s.ServerUsage.After.MemoryPeakBytes == nil {
		return 0, false
	}
	return float64(*s.ServerUsage.After.MemoryPeakBytes) / (1 << 20), true
}

// gilState returns the state of the GIL. It is "" only if the server has not been asked:
// a runtime without a GIL reports that.
func gilState(s lab.Sample) string {
	switch {
	case s.Identity.GIL != nil && *s.Identity.GIL:
		return "on"
	case s.Identity.GIL != nil:
		return "off"
	case s.Identity.RuntimeVersion != "":
		return "none"
	}
	return ""
}
