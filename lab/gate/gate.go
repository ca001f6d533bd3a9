// Package gate classifies samples as valid, censored (a bound), disturbed (by
// something that the server cannot cause) or failed, with a reason and the number
// that decided. What the server can cause (errors, shortfall, a slow answer) is a
// result, and never a reason to discard a sample.
package gate

import (
	"fmt"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
)

// Judge classifies a sample as valid, censored, disturbed or failed, given the
// machine's calibration. A failed sample is nothing else, and a disturbed one
// proves no limit. With a zero Calibration it judges neither the ceiling nor
// canaries without a baseline in the sample.
func Judge(s lab.Sample, c lab.Calibration) lab.GateResult {
	if result := firstResult(s, c, failed, disturbed, censored); result != nil {
		return *result
	}
	return lab.GateResult{Validity: lab.Valid}
}

// NeedsDoubleConnections reports whether a phase must be tried on twice the
// connections: its kind may be, and neither side's CPUs were the limit.
func NeedsDoubleConnections(s lab.Sample, c lab.Calibration) bool {
	return s.Phase.Kind.Traits().Extra.Doubled > 0 && s.DoubleConnections == nil &&
		firstResult(s, c, failed, disturbed) == nil &&
		!isSaturated(s) && generatorLimit(s, c) == nil
}

// FailedBecause returns the result for a trial that broke before or during its phase.
func FailedBecause(reason string) lab.GateResult {
	return lab.GateResult{Validity: lab.Failed, Reason: reason}
}

// DisturbedBecause returns the result for a trial that ended because of something
// that its server cannot cause.
func DisturbedBecause(reason string) lab.GateResult {
	return lab.GateResult{Validity: lab.Disturbed, Reason: reason}
}

// rule returns a result if it applies to the sample, or nil.
type rule func(lab.Sample, lab.Calibration) *lab.GateResult

// firstResult returns the result of the first rule that applies, or nil.
func firstResult(s lab.Sample, c lab.Calibration, rules ...rule) *lab.GateResult {
	for _, check := range rules {
		if result := check(s, c); result != nil {
			return result
		}
	}
	return nil
}

// failed returns a result if the sample measures nothing, or not what was planned.
func failed(s lab.Sample, _ lab.Calibration) *lab.GateResult {
	switch {
	case s.Attack == nil:
		return newResult(lab.Failed, "nothing was measured")
	case s.Attack.Sent == 0:
		return newResult(lab.Failed, "no request was sent")
	case s.Attack.Succeeded == 0 && !anyStepAnswered(s):
		return newResult(lab.Failed, "none of %s succeeded: %s",
			message.Count(int(s.Attack.Sent), "request", "requests"), mostFrequent(s.Attack.Errors))
	case !slices.Equal(s.Attack.GeneratorCPUs, s.Layout.Generator):
		return newResult(lab.Failed, "the generator ran on CPUs %s instead of %s",
			lab.CPUList(s.Attack.GeneratorCPUs), lab.CPUList(s.Layout.Generator))
	case !s.ServerUsage.Known:
		return newResult(lab.Failed, "the resource usage of the server's container could not be read")
	case s.Upstream != nil && s.Upstream.Calls < s.Attack.Succeeded:
		return newResult(lab.Failed, "the server gave %s but called its upstream only %s",
			message.Count(int(s.Attack.Succeeded), "answer", "answers"),
			message.Count(int(s.Upstream.Calls), "time", "times"))
	}
	return nil
}

// anyStepAnswered reports whether the server answered at any step of a search. No
// answer at one rate may be the server's result at that rate.
func anyStepAnswered(s lab.Sample) bool {
	return s.Search != nil && slices.ContainsFunc(s.Search.Steps, func(step lab.SearchStep) bool {
		return step.Attack != nil && step.Attack.Succeeded > 0
	})
}

// isSaturated reports whether the server was the limit.
func isSaturated(s lab.Sample) bool {
	saturation, ok := metric.SaturationRatio(s)
	return ok && saturation >= MinServerSaturation
}

// withDoubleConnections returns the sample with the figures of the attack on twice
// the connections.
func withDoubleConnections(s lab.Sample) lab.Sample {
	s.Attack, s.DoubleConnections = s.DoubleConnections, nil
	s.ServerUsage = s.DoubledServer
	return s
}

// newResult formats a reason.
func newResult(v lab.Validity, reason string, args ...any) *lab.GateResult {
	return &lab.GateResult{Validity: v, Reason: fmt.Sprintf(reason, args...)}
}

// mostFrequent returns the reason with the highest count; on a tie, the first by
// name.
func mostFrequent(reasons map[string]int) string {
	best := "no reason recorded"
	most := 0
	for reason, n := range reasons {
		if n > most || (n == most && reason < best) {
			best, most = reason, n
		}
	}
	return best
}
