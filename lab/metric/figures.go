package metric

import (
	"slices"
	"time"

	"runtimelab/lab"
)

// Figures are computed from a sample, not copied. Each function returns false if the
// sample does not support the figure. Gates use the same functions as the columns, so
// the number in a reason is the one in the row.

// IsOpenLoop reports whether the sample's phase sends by a schedule.
func IsOpenLoop(s lab.Sample) bool { return s.Phase.Kind.IsOpenLoop() }

// ThroughputRPS returns the requests that succeeded per second, from the first send to
// the last answer. Of a ladder it counts only the time in which all clients are present.
func ThroughputRPS(s lab.Sample) (float64, bool) {
	if s.Attack == nil || s.Attack.Elapsed <= 0 {
		return 0, false
	}
	if s.Phase.Kind.Traits().Pacing == lab.ArrivingClients {
		return s.Attack.LadderRPS, true
	}
	return float64(s.Attack.Succeeded) / s.Attack.Elapsed.Seconds(), true
}

// GoodputRPS returns the requests per second that succeeded within the phase's deadline,
// which counts from the intended send time.
func GoodputRPS(s lab.Sample) (float64, bool) {
	if s.Attack == nil || s.Attack.Elapsed <= 0 || !IsOpenLoop(s) || s.Phase.DeadlineS == 0 {
		return 0, false
	}
	return float64(s.Attack.WithinDeadline) / s.Attack.Elapsed.Seconds(), true
}

// CapacityRPS returns the highest offered rate that was confirmed to meet the SLO, or
// false if no rate was.
func CapacityRPS(s lab.Sample) (rps float64, ok bool) {
	if s.Search == nil {
		return 0, false
	}
	for _, step := range s.Search.Steps {
		if step.Stage == lab.Confirmation && step.SLOMet {
			rps, ok = step.OfferedRPS, true
		}
	}
	return rps, ok
}

// ServiceMeanMS returns a reference server's mean service time over the phase in
// milliseconds, by its own clock.
func ServiceMeanMS(s lab.Sample) (float64, bool) {
	if s.ServiceTimes == nil || s.ServiceTimes.Count == 0 {
		return 0, false
	}
	return s.ServiceTimes.Mean.Seconds() * 1000, true
}

const (
	// minDriftSeconds is the least number of whole seconds of an attack for a comparison of
	// its halves.
	minDriftSeconds = 4
	// minDriftAnswers is the least number of successes in the first half: with fewer, the
	// halves differ by chance.
	minDriftAnswers = 1000
)

// DriftRatio returns throughput of the second half / first half - 1, over the whole
// seconds in which all clients were sending.
func DriftRatio(s lab.Sample) (float64, bool) {
	if s.Attack == nil {
		return 0, false
	}
	buckets := fullLoadSeconds(*s.Attack)
	if len(buckets) < minDriftSeconds {
		return 0, false
	}
	half := len(buckets) / 2
	first, second := int64(0), int64(0)
	for i := range half {
		first += buckets[i].Succeeded
		second += buckets[len(buckets)-half+i].Succeeded
	}
	if first < minDriftAnswers {
		return 0, false
	}
	return float64(second)/float64(first) - 1, true
}

// fullLoadSeconds returns the whole seconds in which all clients were sending.
func fullLoadSeconds(a lab.AttackResult) []lab.Bucket {
	whole := min(int(a.Elapsed/time.Second), len(a.Buckets))
	for whole > 0 && a.Buckets[whole-1].Sent == 0 {
		whole--
	}
	rampUp := int((a.ClientRampUp + time.Second - 1) / time.Second)
	return a.Buckets[min(rampUp, whole):whole]
}

// OfferedRPS returns the requests per second in the schedule of an open loop. For a ramp
// it is the average.
func OfferedRPS(s lab.Sample) (float64, bool) {
	if s.Phase.Kind.Traits().Load == lab.LoadStartStop {
		return (s.Phase.RateRPS + s.Phase.ToRPS) / 2, true
	}
	return s.Phase.RateRPS, IsOpenLoop(s) && s.Phase.RateRPS > 0
}

// ErrorRatio returns requests failed / sent, 0 to 1.
func ErrorRatio(s lab.Sample) (float64, bool) {
	if s.Attack == nil || s.Attack.Sent <= 0 {
		return 0, false
	}
	return float64(s.Attack.Failed) / float64(s.Attack.Sent), true
}

// SentRatio returns requests sent / in the open loop's schedule, 0 to 1.
func SentRatio(s lab.Sample) (float64, bool) {
	if s.Attack == nil || !IsOpenLoop(s) || s.Attack.Intended <= 0 {
		return 0, false
	}
	return float64(s.Attack.Sent) / float64(s.Attack.Intended), true
}

// DoublingGain returns throughput on twice the connections / throughput - 1.
func DoublingGain(s lab.Sample) (float64, bool) {
	once, ok := ThroughputRPS(s)
	if !ok || once <= 0 || s.DoubleConnections == nil {
		return 0, false
	}
	s.Attack = s.DoubleConnections
	twice, ok := ThroughputRPS(s)
	return twice/once - 1, ok
}

// CanaryMaxMS returns the longest time of a canary around the attack in milliseconds.
func CanaryMaxMS(s lab.Sample) (float64, bool) {
	longest := time.Duration(0)
	for _, c := range slices.Concat(s.Canaries.Before, s.Canaries.After) {
		longest = max(longest, c.WallTime)
	}
	return longest.Seconds() * 1000, longest > 0 && s.Attack != nil
}

// ThrottledPeriods returns in how many periods a CPU quota throttled the server. The
// quota may be that of the container or of a cgroup above. Nested quotas count
// separately.
func ThrottledPeriods(s lab.Sample) (int64, bool) {
	above, known := ThrottledAbove(s)
	n := s.ServerUsage.After.ThrottledPeriods - s.ServerUsage.Before.ThrottledPeriods
	return n + above, known && n >= 0
}

// ThrottledAbove returns in how many periods the quota of a cgroup above the server's
// container throttled it. It is 0 if no such quota can be read.
func ThrottledAbove(s lab.Sample) (int64, bool) {
	n := s.ServerUsage.After.ThrottledAbove - s.ServerUsage.Before.ThrottledAbove
	return n, s.Attack != nil && s.ServerUsage.Known && n >= 0
}

// OOMEvents returns how many of the server's processes the kernel killed for memory
// during the phase.
func OOMEvents(s lab.Sample) (int64, bool) {
	n := s.ServerUsage.After.OOMEvents - s.ServerUsage.Before.OOMEvents
	if s.Attack == nil || !s.ServerUsage.Known || n < 0 {
		return 0, false
	}
	return n, true
}
