package metric

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"runtimelab/lab"
)

// source extracts a metric's value: from a whole sample, or from a window of load. A
// figure of a window is that of a sample's measured one.
type source struct {
	ofSample func(lab.Sample) Value // nil for a figure of a window
	ofWindow func(lab.Window) Value // nil for a property of the whole sample
}

// Extract returns the metric's value in a sample.
func (m Metric) Extract(s lab.Sample) Value {
	switch {
	case m.source.ofSample != nil:
		return m.source.ofSample(s)
	case s.Measured == nil:
		return Value{}
	}
	return m.source.ofWindow(*s.Measured)
}

// ExtractWindow returns the metric's value in a window. It is missing for a property of
// the whole sample.
func (m Metric) ExtractWindow(w lab.Window) Value {
	if m.source.ofWindow == nil {
		return Value{}
	}
	return m.source.ofWindow(w)
}

// textColumn returns the source of a string column. An empty text is missing. The
// functions below do the same for other kinds.
func textColumn(extract func(lab.Sample) string) source {
	return source{ofSample: func(s lab.Sample) Value { return Text(extract(s)) }}
}

// countColumn is for numbers that start at 1: 0 is missing.
func countColumn(extract func(lab.Sample) int64) source {
	return source{ofSample: func(s lab.Sample) Value {
		if n := extract(s); n > 0 {
			return Int(n)
		}
		return Value{}
	}}
}

func numberColumn(extract func(lab.Sample) (float64, bool)) source {
	return source{ofSample: func(s lab.Sample) Value { return numberOr(extract(s)) }}
}

// phaseColumn is for numbers that follow from the phase, so that a sample has them before
// it is measured.
func phaseColumn(extract func(lab.Phase) (float64, bool)) source {
	return source{
		ofSample: func(s lab.Sample) Value { return numberOr(extract(s.Phase)) },
		ofWindow: func(w lab.Window) Value { return numberOr(extract(w.Phase)) },
	}
}

func windowNumber(extract func(lab.Window) (float64, bool)) source {
	return source{ofWindow: func(w lab.Window) Value { return numberOr(extract(w)) }}
}

func windowInteger(extract func(lab.Window) (int64, bool)) source {
	return source{ofWindow: func(w lab.Window) Value {
		if n, ok := extract(w); ok {
			return Int(n)
		}
		return Value{}
	}}
}

// numberOr returns a number, or a missing value if it is unknown.
func numberOr(f float64, ok bool) Value {
	if !ok {
		return Value{}
	}
	return Number(f)
}

func attackColumn(extract func(lab.AttackResult) Value) source {
	return source{ofWindow: func(w lab.Window) Value { return extract(w.Attack) }}
}

func warmUpColumn(extract func(lab.AttackResult) Value) source {
	return source{ofSample: func(s lab.Sample) Value {
		if s.WarmUp == nil {
			return Value{}
		}
		return extract(*s.WarmUp)
	}}
}

func rawLatency(quantile func(lab.Latency) *float64) source {
	return latencyBelowOverload(func(a lab.AttackResult) *lab.Latency { return a.Raw }, quantile)
}

func firstByteLatency(quantile func(lab.Latency) *float64) source {
	return latencyBelowOverload(func(a lab.AttackResult) *lab.Latency { return a.FirstByte }, quantile)
}

func correctedLatency(quantile func(lab.Latency) *float64) source {
	return openLoopLatency(func(a lab.AttackResult) *lab.Latency { return a.Corrected }, quantile)
}

// openLoopLatency extracts a quantile that only a schedule gives a meaning. It is missing
// in a closed loop, whatever the attack result holds.
func openLoopLatency(
	which func(lab.AttackResult) *lab.Latency, quantile func(lab.Latency) *float64,
) source {
	value := latencyBelowOverload(which, quantile).ofWindow
	return source{ofWindow: func(w lab.Window) Value {
		if !w.Phase.Kind.IsOpenLoop() {
			return Value{}
		}
		return value(w)
	}}
}

// latencyBelowOverload extracts a quantile that is missing in an overload, where latency
// depends on the duration.
func latencyBelowOverload(
	which func(lab.AttackResult) *lab.Latency, quantile func(lab.Latency) *float64,
) source {
	return source{ofWindow: func(w lab.Window) Value {
		if w.Phase.Overloads() {
			return Value{}
		}
		return latencyValue(which(w.Attack), quantile)
	}}
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

// openMode is the mode of a phase that sends by a schedule.
const openMode = "open"

// LoopMode returns how a kind of phase offers its load: open or closed.
func LoopMode(k lab.PhaseKind) string {
	switch {
	case k == "":
		return ""
	case k.IsOpenLoop():
		return openMode
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

// cpusOfParties returns the CPUs of a trial's parties as party=list, or "" if the layout is unknown.
func cpusOfParties(l lab.Layout) string {
	if len(l.Generator) == 0 || len(l.Server) == 0 {
		return ""
	}
	text := "generator=" + lab.CPUList(l.Generator) + " server=" + lab.CPUList(l.Server)
	for _, s := range l.Beside {
		text += " " + s.Name + "=" + lab.CPUList(s.CPUs)
	}
	return text
}

func keepAlive(s lab.Sample) string {
	if s.Phase.Kind == "" {
		return ""
	}
	return strconv.FormatBool(!s.Phase.ConnectionPerRequest)
}

func phaseID(s lab.Sample) string { return s.Phase.ID() }

func deadlineMS(p lab.Phase) (float64, bool) {
	return 1000 * p.DeadlineS, p.Kind.IsOpenLoop() && p.DeadlineS > 0
}

func doublingGain(s lab.Sample) (float64, bool) {
	if s.Measured == nil || s.Doubled == nil {
		return 0, false
	}
	return DoublingGain(*s.Measured, *s.Doubled)
}

// sloState returns "met", "missed: ..." or "unknown: ...".
func sloState(s lab.Sample) string {
	switch {
	case s.Measured == nil || len(s.Phase.Objectives) == 0:
		return ""
	case len(s.SLO.Missed) > 0:
		return "missed: " + strings.Join(s.SLO.Missed, ", ")
	case len(s.SLO.WithoutValue) > 0:
		return "unknown: " + strings.Join(s.SLO.WithoutValue, ", ")
	}
	return "met"
}

func coldStartMS(s lab.Sample) (float64, bool) {
	if s.ColdStart == nil {
		return 0, false
	}
	return float64(*s.ColdStart) / float64(time.Millisecond), true
}

func memoryPeakMiB(w lab.Window) (float64, bool) {
	peak, ok := ofServer(w, func(c lab.ContainerAccount) *int64 { return c.MemoryPeakBytes })
	return float64(peak) / (1 << 20), ok
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
