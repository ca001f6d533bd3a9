package wording

import (
	"fmt"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
)

// curve returns a reason about a curve over numbers of CPUs as text, or "" if the reason is another.
func curve(r lab.Reason) string {
	block := 0
	if len(r.Parts) > 0 {
		block = r.Parts[0].Block
	}
	switch r.Kind {
	case lab.MoreWorkersThanCPUs:
		return fmt.Sprintf("workers %d on server_cpus %d (block %d): more workers than CPUs do not show "+
			"how the server scales with CPUs", r.Count, r.Total, block)
	case lab.QuotaStoppedServer:
		return fmt.Sprintf("throttled_periods %d on server_cpus %d (block %d): a CPU quota stopped the server, "+
			"so it did not have all of its CPUs", r.Count, r.Total, block)
	case lab.FailuresOnCurve:
		text := fmt.Sprintf("%s of requests failed on server_cpus %d (block %d): throughput counts successes "+
			"only, so the speed-up may be too high or too low", metric.Percent(r.Value), r.Total, block)
		if r.Subject != "" {
			return "of " + r.Subject + ": " + text
		}
		return text
	case lab.Superlinear:
		return fmt.Sprintf("efficiency on %d CPUs is above 1 with its whole interval (from %.3f), "+
			"more than CPUs alone can give: compare cpu_us_per_request between the numbers of CPUs", r.Total, r.Value)
	case lab.CountLeftOut:
		return fmt.Sprintf("the fit leaves out %s: fewer than %d blocks are exact",
			message.Count(r.Total, "core", "cores"), r.Needed)
	case lab.MaximumExtrapolated:
		return fmt.Sprintf("the peak is an extrapolation: it lies beyond the %d cores that were measured", r.Total)
	case lab.FitNeedsCounts:
		text := fmt.Sprintf("a fit needs four core counts; this has %d", r.Count)
		if len(r.Parts) == 2 {
			text += fmt.Sprintf(" (%d to %d cores only)", r.Parts[0].Count, r.Parts[1].Count)
		}
		return text
	case lab.FitNeedsExactCounts:
		return fmt.Sprintf("a fit needs four core counts with at least %d exact blocks each; this has %d",
			r.Needed, r.Count)
	case lab.FitNeedsBlocks:
		return fmt.Sprintf("a fit needs %d blocks that are valid on all core counts; this has %d",
			r.Needed, r.Count)
	case lab.FitFailed:
		return "no fit: " + r.Text
	case lab.FitWithoutInterval:
		return "no fit, because it would have no interval: " + r.Text
	}
	return ""
}

// NoFit returns why no law is fitted to a curve: what a fit lacks, or doubts about the curve.
func NoFit(reasons []lab.Reason) string {
	text := Reasons(reasons...)
	if len(reasons) > 0 {
		switch reasons[0].Kind {
		case lab.MoreWorkersThanCPUs, lab.QuotaStoppedServer, lab.FailuresOnCurve:
			return "no fit: " + text
		}
	}
	return text
}
