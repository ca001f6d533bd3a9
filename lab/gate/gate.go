// Package gate classifies samples as valid, censored (a bound), disturbed (by
// something that the server cannot cause) or failed, with a reason and the number
// that decided. What the server can cause (errors, shortfall, a slow answer) is a
// result, and never a reason to discard a sample.
package gate

import (
	"cmp"
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
	result := failed(s)
	if result == nil {
		saturation := saturationOf(*s.Measured)
		result = cmp.Or(disturbed(s, saturation, c), censored(s, saturation, c))
	}
	if result == nil {
		return lab.GateResult{Validity: lab.Valid}
	}
	return *result
}

// NeedsDoubleConnections reports whether a phase must be tried on twice the
// connections: its kind may be, and neither side's CPUs were the limit.
func NeedsDoubleConnections(s lab.Sample, c lab.Calibration) bool {
	if s.Phase.Kind.Traits().Extra.Doubled <= 0 || s.Doubled != nil || failed(s) != nil {
		return false
	}
	saturation := saturationOf(*s.Measured)
	return disturbed(s, saturation, c) == nil &&
		saturation < MinServerSaturation && otherLimit(*s.Measured, saturation, c) == nil
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

// failed returns a result if the sample measures nothing, or not what was planned.
func failed(s lab.Sample) *lab.GateResult {
	if s.Measured == nil {
		return newResult(lab.Failed, "nothing was measured")
	}
	attack, accounts := s.Measured.Attack, s.Measured.Accounts
	switch {
	case attack.Sent == 0:
		return newResult(lab.Failed, "no request was sent")
	case attack.Succeeded == 0 && !anyStepAnswered(s):
		return newResult(lab.Failed, "none of %s succeeded: %s",
			message.Count(int(attack.Sent), "request", "requests"), mostFrequent(attack.Errors))
	case !slices.Equal(accounts.Generator.CPUs, s.Layout.Generator):
		return newResult(lab.Failed, "the generator ran on CPUs %s instead of %s",
			lab.CPUList(accounts.Generator.CPUs), lab.CPUList(s.Layout.Generator))
	case accounts.Server.Container == nil:
		return newResult(lab.Failed, "the resource usage of the server's container could not be read")
	}
	return cmp.Or(tooFewCalls(*s.Measured), otherDatabaseWork(s), unattributed(*s.Measured))
}

// anyStepAnswered reports whether the server answered at any step of a search. No
// answer at one rate may be the server's result at that rate.
func anyStepAnswered(s lab.Sample) bool {
	return s.Search != nil && slices.ContainsFunc(s.Search.Steps, func(step lab.SearchStep) bool {
		return step.Window != nil && step.Window.Attack.Succeeded > 0
	})
}

// saturationOf returns how close the server was to its limit; 0 if that is unknown.
func saturationOf(w lab.Window) float64 {
	saturation, _ := metric.SaturationRatio(w)
	return saturation
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
