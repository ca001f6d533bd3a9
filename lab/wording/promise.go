package wording

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
)

// Kept returns how many trials kept a promise in one phase, and how sure that makes one: "10 of 10
// trials kept it: at least 74 % of trials will (95 %)".
func Kept(j lab.PromiseJudgement) string {
	if len(j.Trials) == 0 {
		return "no trial"
	}
	text := fmt.Sprintf("%d of %s kept it", j.Count(lab.Kept), message.Count(len(j.Trials), "trial", "trials"))
	if j.KeptShareLow != nil {
		text += fmt.Sprintf(": at least %s of trials do (%s)", atLeastPercent(*j.KeptShareLow), level(j.Confidence))
	}
	for _, n := range j.None {
		m, _ := metric.Find(n.Metric)
		text += fmt.Sprintf("; %s was 0 in %d %s: at most %s", n.Metric, n.Of, m.ShareOf(), metric.Percent(n.Most))
	}
	return text
}

// PromiseBrief returns in a few words up to which phase a promise is kept.
func PromiseBrief(v lab.PromiseVerdict) string {
	switch {
	case len(v.Judged) == 0:
		return Reasons(v.Reasons...)
	case len(v.Reasons) > 0: // those of every verdict of the run
		return "not decided"
	case v.KeptUpTo != "" && len(v.Phases) == 1:
		return "kept at " + v.KeptUpTo
	case v.KeptUpTo != "" && v.HighestKeptBy != "":
		return "kept at " + v.KeptUpTo + ", the highest that " + v.HighestKeptBy + " keeps"
	case v.KeptUpTo == v.Phases[len(v.Phases)-1]:
		return "kept up to " + v.KeptUpTo + ", the highest asked"
	case v.KeptUpTo != "":
		return "kept up to " + v.KeptUpTo
	}
	first := v.Judged[0]
	if first.Count(lab.Missed) > 0 {
		return fmt.Sprintf("broken at %s in %d of %s", first.Phase, first.Count(lab.Missed),
			message.Count(len(first.Trials), "trial", "trials"))
	}
	return "not decided at " + first.Phase
}

// promiseReason returns a reason of a verdict on a promise as text, or "" if the reason is another.
func promiseReason(r lab.Reason) string {
	switch r.Kind {
	case lab.PromiseMissed:
		return fmt.Sprintf("%d of %s missed it: %s", r.Count, message.Count(r.Total, "trial", "trials"),
			joinParts(r.Parts))
	case lab.PromiseNotJudged:
		return fmt.Sprintf("%d of %s cannot be judged: %s", r.Count, message.Count(r.Total, "trial", "trials"),
			joinParts(r.Parts))
	case lab.NoPhaseKept:
		return fmt.Sprintf("%s keeps the promise in none of %s", r.Subject, strings.Join(r.Names, ", "))
	case lab.HighestUndecided:
		return fmt.Sprintf("%s may keep the promise at %s, where it is undecided", r.Subject,
			strings.Join(r.Names, ", "))
	}
	return ""
}

func joinParts(parts []lab.Part) string {
	var texts []string
	for _, p := range parts {
		texts = append(texts, promisePart(p))
	}
	return strings.Join(texts, ", ")
}

// promisePart returns what trials missed or lack, and in how many of them.
func promisePart(p lab.Part) string {
	where := " in " + strconv.Itoa(p.Count)
	switch p.Lacks {
	case "":
		return fmt.Sprintf("%s was %s, limit %s, in block %d", p.Metric, figure(p.Value), figure(p.Limit),
			p.Block) +
			morePlaces(p.Count)
	case lab.MaybeInstrument:
		return fmt.Sprintf("%s was %s, limit %s, in block %d", p.Metric, figure(p.Value), figure(p.Limit),
			p.Block) +
			morePlaces(p.Count) + ", which the instrument may have caused"
	case lab.SentLess:
		return "only " + metric.Percent(p.Value) + " of the schedule was sent" + where
	case lab.TrialFailed:
		return "the trial failed" + where
	case lab.IsCensored:
		return p.Metric + " is no figure because the row is censored" + where
	}
	return p.Metric + " is missing" + where
}

// morePlaces returns that the worst of several values is shown.
func morePlaces(count int) string {
	if count < 2 {
		return ""
	}
	return fmt.Sprintf(" (the worst of %d)", count)
}

// figure returns a number with four significant digits.
func figure(x float64) string {
	if x == 0 || math.IsInf(x, 0) {
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(x, 'e', 3, 64), 64)
	if err != nil {
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// atLeastPercent returns a share in percent, rounded down: the text must not promise more.
func atLeastPercent(share float64) string { return fmt.Sprintf("%.0f %%", math.Floor(100*share)) }

func level(confidence float64) string { return fmt.Sprintf("%.0f %%", 100*confidence) }
