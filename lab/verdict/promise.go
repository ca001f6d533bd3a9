package verdict

import (
	"cmp"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/stat"
)

// A promise is judged trial by trial, because a mean forgives one broken trial, and because
// nothing lost has no logarithm. A trial misses it where a figure lies beyond a limit, unless
// the instrument may have caused that. It keeps it where all figures lie within. A bound shows
// that a limit was kept and never that it was missed.

// promiseAlpha is the error of the one-sided limits of a promise's verdict.
const promiseAlpha = 1 - lab.PromiseConfidence

// promiseJudge judges promises by the rows of a run.
type promiseJudge struct {
	rows   rowTable
	failed map[lab.TrialID]bool // trials with a failed phase, as attempt 0
	peers  map[string]lab.Peers
	blocks int
}

func newPromiseJudge(rows []metric.Row, table rowTable, peers map[string]lab.Peers, blocks int) promiseJudge {
	j := promiseJudge{rows: table, failed: map[lab.TrialID]bool{}, peers: peers, blocks: blocks}
	for _, r := range rows {
		if r.Attempt().Validity == lab.Failed {
			id := r.TrialID()
			id.Attempt = 0
			j.failed[id] = true
		}
	}
	return j
}

// judgePromises returns the verdicts on all promises of a plan, those that the run does not test
// included. void is why no verdict of the run stands, or nil.
func judgePromises(p lab.Plan, j promiseJudge, void *lab.Reason) (out []lab.PromiseVerdict) {
	notTested := func(promise lab.Promise, why lab.Reason) {
		out = append(out, lab.PromiseVerdict{
			Promise: promise, Finding: lab.NotEvaluated, Reasons: []lab.Reason{why},
		})
	}
	for _, promise := range p.Promises {
		if !p.Profile.CanCompare() {
			notTested(promise, lab.Reason{Kind: lab.ComparesNothing, Subject: p.Profile.Name})
			continue
		}
		v := j.judge(promise)
		if void != nil {
			makePromiseInconclusive(&v, *void)
		}
		out = append(out, v)
	}
	for _, promise := range p.UntestedPromises {
		notTested(promise, notTestedReason(p, promise.Profile))
	}
	return out
}

// makePromiseInconclusive makes a verdict inconclusive. It keeps what was measured of each trial.
func makePromiseInconclusive(v *lab.PromiseVerdict, why lab.Reason) {
	v.Finding, v.KeptUpTo, v.Reasons = lab.Inconclusive, "", []lab.Reason{why}
	for i := range v.Judged {
		v.Judged[i].Finding, v.Judged[i].Reasons = lab.Inconclusive, []lab.Reason{why}
	}
}

// judge returns the verdict on a promise.
func (j promiseJudge) judge(p lab.Promise) lab.PromiseVerdict {
	v := lab.PromiseVerdict{Promise: p, Finding: lab.Inconclusive}
	for _, l := range p.Limits {
		if _, known := metric.Find(l.Metric); !known {
			v.Reasons = []lab.Reason{{Kind: lab.UnknownMetric, Subject: l.Metric}}
			return v
		}
	}
	if p.HighestKeptBy != "" {
		j.judgeHighest(&v)
		return v
	}
	climbing := true
	for _, phase := range p.Phases {
		judged, result := j.judgePhase(p, phase)
		if climbing = climbing && result == lab.Kept; climbing {
			v.KeptUpTo = phase
		}
		v.Judged = append(v.Judged, judged)
	}
	v.Finding = CombineFindings(v.Findings()...)
	return v
}

// judgeHighest judges a promise in the last phase up to which another variant keeps it. A miss there
// decides. If that variant may keep the promise beyond, being kept does not: it may be missed there.
func (j promiseJudge) judgeHighest(v *lab.PromiseVerdict) {
	p, other := v.Promise, v.Other()
	arms := lab.Hypothesis{Numerator: p.Arm(""), Denominator: other.Arm("")}
	if mismatch := peerMismatch(arms, j.peers); mismatch != nil {
		v.Reasons = mismatch
		return
	}
	var undecided []lab.Reason
	highest := ""
	for _, phase := range p.Phases {
		_, result := j.judgePhase(other, phase)
		if result == lab.Kept {
			highest = phase
			continue
		}
		if result == lab.NotJudged {
			undecided = []lab.Reason{{
				Kind: lab.HighestUndecided, Subject: p.HighestKeptBy, Names: []string{phase},
			}}
		}
		break
	}
	switch {
	case highest == "" && undecided == nil:
		v.Finding = lab.NotEvaluated
		v.Reasons = []lab.Reason{{Kind: lab.NoPhaseKept, Subject: p.HighestKeptBy, Names: p.Phases}}
		return
	case highest == "":
		v.Reasons = undecided
		return
	}
	judged, result := j.judgePhase(p, highest)
	if result == lab.Kept {
		v.KeptUpTo = highest
		if undecided != nil {
			judged.Finding, judged.Reasons = lab.Inconclusive, undecided
		}
	}
	v.Judged, v.Finding = []lab.PromiseJudgement{judged}, judged.Finding
}

// judgePhase judges a promise in one phase, and returns whether the variant keeps it there.
func (j promiseJudge) judgePhase(p lab.Promise, phase string) (out lab.PromiseJudgement, result lab.Keeping) {
	out = lab.PromiseJudgement{Phase: phase, Finding: lab.Inconclusive}
	cell := cellKey{p.Scenario, p.Variant, phase, int64(p.Cores)}
	var missed, lacking parts
	absent := lab.Part{Name: p.Arm(phase).String(), Lacks: lab.NoValidTrial}
	for block := 1; block <= j.blocks; block++ {
		trial := lab.PromiseTrial{Block: block, Result: lab.NotJudged}
		row, usable := j.rows[cell][int64(block)]
		id := lab.TrialID{Scenario: p.Scenario, Variant: p.Variant, Cores: p.Cores, Block: block}
		switch {
		case usable:
			judgeTrial(p, row, &trial, &missed, &lacking)
		case j.failed[id]:
			lacking.add(lab.Part{Lacks: lab.TrialFailed, Block: block})
		default:
			absent.Count++
			continue
		}
		out.Trials = append(out.Trials, trial)
	}
	kept, broken := out.Count(lab.Kept), out.Count(lab.Missed)
	if judged := kept + broken; judged > 0 && judged == len(out.Trials) {
		low := stat.ShareAtLeast(kept, judged, promiseAlpha)
		out.KeptShareLow, out.Confidence = &low, lab.PromiseConfidence
	}
	switch {
	case broken > 0:
		result = lab.Missed
		out.Reasons = []lab.Reason{{
			Kind: lab.PromiseMissed, Count: broken, Total: len(out.Trials), Parts: missed,
		}}
	case kept < len(out.Trials):
		result = lab.NotJudged
		out.Reasons = []lab.Reason{{
			Kind: lab.PromiseNotJudged, Count: len(out.Trials) - kept, Total: len(out.Trials), Parts: lacking,
		}}
	case kept < lab.MinBlocks:
		result = lab.NotJudged
		out.Reasons = []lab.Reason{{
			Kind: lab.TooFewBlocks, Count: kept, Total: j.blocks, Needed: lab.MinBlocks, Parts: []lab.Part{absent},
		}}
	default:
		result = lab.Kept
		out.None = j.noneCounts(p, cell)
	}
	if result != lab.NotJudged {
		out.Finding = lab.Refuted
		if (result == lab.Kept) != p.Broken {
			out.Finding = lab.Supported
		}
	}
	return out, result
}

// judgeTrial sets the result and the figures of a trial, and adds the limits that it missed and those
// that it cannot be judged by.
func judgeTrial(p lab.Promise, row metric.Row, trial *lab.PromiseTrial, missed, lacking *parts) {
	misses, unknown := false, false
	for _, l := range p.Limits {
		m, _ := metric.Find(l.Metric)
		part := lab.Part{Metric: l.Metric, Limit: l.Value, Block: trial.Block}
		value, bound, ok := row.FigureForLimit(m)
		if ok {
			trial.Figures = append(trial.Figures,
				lab.LimitFigure{Metric: l.Metric, Value: value, Bound: string(bound)})
			part.Value = value
		}
		switch lacks := lackOf(l, m, row, value, bound, ok); {
		case lacks != "":
			part.Lacks, unknown = lacks, true
			lacking.add(part)
		case !l.Holds(value):
			misses = true
			missed.add(part)
		}
	}
	share, tooLittle := row.SentTooLittle()
	switch {
	case misses:
		trial.Result = lab.Missed
	case unknown:
	case tooLittle:
		lacking.add(lab.Part{Lacks: lab.SentLess, Value: share, Block: trial.Block})
	default:
		trial.Result = lab.Kept
	}
}

// lackOf returns why a figure does not tell whether a limit was kept, or "" if it tells.
func lackOf(
	l lab.Limit, m metric.Metric, row metric.Row, value float64, bound metric.Bound, ok bool,
) lab.Lack {
	switch {
	case !ok && row.Attempt().Validity == lab.Censored:
		return lab.IsCensored
	case !ok:
		return lab.NoValue
	case bound != metric.Exact && !l.Holds(value),
		bound == metric.AtLeast && !l.AtLeast, bound == metric.AtMost && l.AtLeast,
		!l.AtLeast && !l.Holds(value) && l.Holds(value-row.Lateness(m)):
		return lab.MaybeInstrument
	}
	return ""
}

// noneCounts returns of how many a count was none, for limits of 0 that every trial kept.
func (j promiseJudge) noneCounts(p lab.Promise, cell cellKey) (all []lab.NoneCount) {
	for _, l := range p.Limits {
		m, _ := metric.Find(l.Metric)
		if l.Value != 0 || l.AtLeast || m.ShareOf() == "" {
			continue
		}
		none := lab.NoneCount{Metric: l.Metric}
		for _, row := range j.rows[cell] {
			n, _ := row.Int(m.ShareOf())
			none.Of += n
		}
		none.Most = stat.NoneAtMost(none.Of, promiseAlpha)
		all = append(all, none)
	}
	return all
}

// parts collects what trials missed or lack, one part for each metric and lack.
type parts []lab.Part

// add counts a part. Of several values it keeps the one that is furthest from the limit.
func (all *parts) add(p lab.Part) {
	p.Count = 1
	i := slices.IndexFunc(*all, func(q lab.Part) bool { return q.Metric == p.Metric && q.Lacks == p.Lacks })
	if i < 0 {
		*all = append(*all, p)
		return
	}
	known := &(*all)[i]
	known.Count++
	if cmp.Compare(distance(p), distance(*known)) > 0 {
		known.Value, known.Block = p.Value, p.Block
	}
}

// distance returns how far a part's value is from its limit.
func distance(p lab.Part) float64 { return max(p.Value-p.Limit, p.Limit-p.Value) }
