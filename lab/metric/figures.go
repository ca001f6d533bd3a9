package metric

import (
	"slices"
	"time"

	"runtimelab/lab"
)

// Figures are computed from a window of load, not copied. Each function returns false if
// the window does not support the figure. Gates use the same functions as the columns, so
// the number in a reason is the one in the row.

// ThroughputRPS returns the requests that succeeded per second, from the first send to
// the last answer. Of a ladder it counts only the time in which all clients are present.
func ThroughputRPS(w lab.Window) (float64, bool) {
	if w.Attack.Elapsed <= 0 {
		return 0, false
	}
	if w.Phase.Kind.Traits().Pacing == lab.ArrivingClients {
		return w.Attack.LadderRPS, true
	}
	return float64(w.Attack.Succeeded) / w.Attack.Elapsed.Seconds(), true
}

// GoodputRPS returns the requests per second that succeeded within the phase's deadline,
// which counts from the intended send time.
func GoodputRPS(w lab.Window) (float64, bool) {
	if w.Attack.Elapsed <= 0 || !w.Phase.Kind.IsOpenLoop() || w.Phase.DeadlineS == 0 {
		return 0, false
	}
	return float64(w.Attack.WithinDeadline) / w.Attack.Elapsed.Seconds(), true
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
func ServiceMeanMS(w lab.Window) (float64, bool) {
	if w.ServiceTimes == nil || w.ServiceTimes.Count == 0 {
		return 0, false
	}
	return w.ServiceTimes.Mean.Seconds() * 1000, true
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
func DriftRatio(w lab.Window) (float64, bool) {
	buckets := fullLoadSeconds(w.Attack)
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
func OfferedRPS(p lab.Phase) (float64, bool) {
	if p.Kind.Traits().Load == lab.LoadStartStop {
		return (p.RateRPS + p.ToRPS) / 2, true
	}
	return p.RateRPS, p.Kind.IsOpenLoop() && p.RateRPS > 0
}

// ErrorRatio returns requests failed / sent, 0 to 1.
func ErrorRatio(w lab.Window) (float64, bool) {
	if w.Attack.Sent <= 0 {
		return 0, false
	}
	return float64(w.Attack.Failed) / float64(w.Attack.Sent), true
}

// SentRatio returns requests sent / in the open loop's schedule, 0 to 1.
func SentRatio(w lab.Window) (float64, bool) {
	if !w.Phase.Kind.IsOpenLoop() || w.Attack.Intended <= 0 {
		return 0, false
	}
	return float64(w.Attack.Sent) / float64(w.Attack.Intended), true
}

// DoublingGain returns throughput on twice the connections / throughput - 1.
func DoublingGain(w, doubled lab.Window) (float64, bool) {
	once, ok := ThroughputRPS(w)
	if !ok || once <= 0 {
		return 0, false
	}
	twice, ok := ThroughputRPS(doubled)
	return twice/once - 1, ok
}

// CanaryMaxMS returns the longest time of a canary around the attack in milliseconds.
func CanaryMaxMS(s lab.Sample) (float64, bool) {
	longest := time.Duration(0)
	for _, c := range slices.Concat(s.Canaries.Before, s.Canaries.After) {
		longest = max(longest, c.WallTime)
	}
	return longest.Seconds() * 1000, longest > 0 && s.Measured != nil
}

// ThrottledPeriods returns in how many periods a CPU quota throttled the server. The
// quota may be that of the container or of a cgroup above. Nested quotas count
// separately.
func ThrottledPeriods(w lab.Window) (int64, bool) {
	above, ok := ThrottledAbove(w.Accounts.Server)
	if !ok {
		return 0, false
	}
	own, ok := OwnThrottledPeriods(w.Accounts.Server)
	return own + above, ok
}

// OwnThrottledPeriods returns in how many periods the CPU quota of a service's container throttled it.
func OwnThrottledPeriods(s lab.ServiceAccount) (int64, bool) {
	return ofContainer(s, func(c lab.ContainerAccount) *int64 { return c.ThrottledPeriods })
}

// ThrottledAbove returns in how many periods the quota of a cgroup above a service's
// container throttled it. It is 0 if no such quota can be read.
func ThrottledAbove(s lab.ServiceAccount) (int64, bool) {
	return ofContainer(s, func(c lab.ContainerAccount) *int64 { return c.ThrottledAbove })
}

// OOMEvents returns how many of the server's processes the kernel killed for memory
// during the phase.
func OOMEvents(w lab.Window) (int64, bool) {
	return ofServer(w, func(c lab.ContainerAccount) *int64 { return c.OOMEvents })
}

// ofServer returns an account of the server's container, or false if it is unknown.
func ofServer[T any](w lab.Window, account func(lab.ContainerAccount) *T) (v T, ok bool) {
	return ofContainer(w.Accounts.Server, account)
}

// ofContainer returns an account of a service's container, or false if it is unknown.
func ofContainer[T any](s lab.ServiceAccount, account func(lab.ContainerAccount) *T) (v T, ok bool) {
	if s.Container == nil {
		return v, false
	}
	return known(account(*s.Container))
}
