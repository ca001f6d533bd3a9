package wording

import (
	"fmt"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// Brief returns why a verdict is inconclusive in a few words. It is empty if there is no reason, or if
// it is that of every verdict of the run, which is said once.
func Brief(reasons []lab.Reason) string {
	if len(reasons) == 0 {
		return ""
	}
	switch r := reasons[0]; r.Kind {
	case lab.TooFewBlocks:
		return fmt.Sprintf("%d of %d blocks valid, %d needed", r.Count, r.Total, r.Needed)
	case lab.RequestsFailed, lab.FailuresForbidComparison, lab.FailuresForbidFavour:
		worst := 0.0
		for _, p := range r.Parts {
			worst = max(worst, p.Value)
		}
		return "up to " + metric.Percent(worst) + " of requests failed"
	case lab.BothArmsBounds, lab.BoundsLeaveOpen:
		return "bounds only"
	case lab.AtMarginEdge:
		return "at the margin's edge"
	case lab.BlocksVary:
		return "the blocks vary too much"
	case lab.MoreBlocksNeeded:
		return fmt.Sprintf("needs about %d blocks", r.Needed)
	case lab.PermutationDisagrees:
		return "the tests disagree"
	case lab.RunIncomplete, lab.ControlFailed:
		return ""
	case lab.PeersOnly:
		return "not comparable"
	default:
		return Reason(r)
	}
}
