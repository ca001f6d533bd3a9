package wording

import (
	"fmt"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
)

// Reasons returns reasons as text, joined by semicolons.
func Reasons(reasons ...lab.Reason) string {
	var parts []string
	for _, r := range reasons {
		parts = append(parts, Reason(r))
	}
	return strings.Join(parts, "; ")
}

// Reason returns a reason or a doubt as text.
func Reason(r lab.Reason) string { return reason(r, maxNamed) }

// reason returns a reason as text. A doubt names so many places.
func reason(r lab.Reason, named int) string {
	if text, fixed := fixedTexts[r.Kind]; fixed {
		return text
	}
	switch r.Kind {
	case lab.ComparesNothing:
		return r.Subject + " compares nothing"
	case lab.TestedByLongerProfile:
		return fmt.Sprintf("not evaluated at %s; %s tests it", r.Subject, strings.Join(r.Names, ", "))
	case lab.UnknownMetric:
		return "this lab has no metric " + r.Subject
	case lab.PeersOnly:
		return fmt.Sprintf("%s %s: compare it with %s only, or with others by speed-up",
			r.Subject, r.Text, strings.Join(r.Names, ", "))
	case lab.TooFewBlocks:
		return tooFewBlocks(r)
	case lab.RequestsFailed:
		return requestsFailed(r)
	case lab.FailuresForbidComparison:
		return requestsFailed(r) + ": the arms cannot be compared"
	case lab.FailuresForbidFavour:
		return requestsFailed(r) + ": no finding may favour it"
	case lab.BlocksVary:
		return fmt.Sprintf("the blocks vary too much: more than %d would be needed", r.Needed)
	case lab.MoreBlocksNeeded:
		return fmt.Sprintf("the interval crosses the margin's edge; about %d blocks would decide", r.Needed)
	case lab.RunIncomplete:
		return fmt.Sprintf("the run is not complete (%d of %s); lab run --resume %s finishes it",
			r.Count, message.Count(r.Total, "trial", "trials"), r.Subject)
	case lab.ControlFailed:
		return "a control failed (" + strings.Join(r.Names, ", ") + ")"
	case lab.CPUScope:
		return fmt.Sprintf("%d to %d cores only", r.Count, r.Total)
	}
	for _, words := range []func(lab.Reason) string{curve, promiseReason, comparison} {
		if text := words(r); text != "" {
			return text
		}
	}
	return doubt(r, named)
}

// fixedTexts are those of reasons without data.
var fixedTexts = map[lab.ReasonKind]string{
	lab.NotInThisRun:       "not part of this run",
	lab.NoHypotheses:       "the plan of this run has no hypotheses",
	lab.NoHypothesisTested: "this run tests none of the plan's hypotheses",
	lab.BothArmsBounds:     "both arms are bounds: their ratio is unknown",
	lab.BoundsLeaveOpen: "the figures are bounds that leave open where the ratio lies: " +
		"more blocks would not help",
	lab.AtMarginEdge: "the ratio lies at the margin's edge: more blocks would not help",
	lab.NoControl:    "no control was measured, so nothing checks the instrument",
	lab.NoSharedReference: "no reference server is in both runs: " +
		"a change of the machine's speed would not be noticed",
	lab.NoValidReference: "no reference server has a valid trial in both runs: " +
		"a change of the machine's speed would not be noticed",
	lab.VarianceOfReferences: "from the difference between the reference servers of these two runs",
	lab.VarianceOfOneRun:     "both sides are the same run",
	lab.VarianceUnknown:      "unknown without reference servers, so the intervals are too narrow",
}

// tooFewBlocks returns how many blocks are valid and needed, and which arms lack values.
func tooFewBlocks(r lab.Reason) string {
	text := fmt.Sprintf("too few valid blocks (%d of %d; %d are needed)", r.Count, r.Total, r.Needed)
	var missing []string
	for _, p := range r.Parts {
		missing = append(missing, fmt.Sprintf("%s %s in %d", p.Name, lack(p), p.Count))
	}
	if len(missing) > 0 {
		text += ": " + strings.Join(missing, ", ")
	}
	return text
}

// lack returns what an arm does not have.
func lack(p lab.Part) string {
	switch p.Lacks {
	case lab.NoValidTrial:
		return "has no valid trial"
	case lab.IsCensored:
		return "is censored"
	case lab.OtherGenerator:
		return "is measured by another generator"
	case lab.NoRatioOf:
		return fmt.Sprintf("has a %s of %v, which has no ratio", p.Metric, p.Value)
	}
	return "has no " + p.Metric
}

// requestsFailed returns which arms failed and how much.
func requestsFailed(r lab.Reason) string {
	var parts []string
	for _, p := range r.Parts {
		parts = append(parts, fmt.Sprintf("%s of requests failed (%s, block %d; more than %s in %d of %s)",
			metric.Percent(p.Value), p.Name, p.Block, metric.Percent(p.Limit), p.Count,
			message.Count(r.Total, "block", "blocks")))
	}
	return strings.Join(parts, "; ")
}
