package compare

import (
	"fmt"
	"math"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/record"
	"runtimelab/lab/stat"
)

// referenceMetric is the metric that reference servers are compared by.
const referenceMetric = "throughput_rps"

// MinRuns is the number of runs needed to estimate the variance between runs.
const MinRuns = 3

// EstimateRunVariance estimates the variance between runs of one host that the variance of
// their trials does not explain. Each item of runs holds the moments of the logs of one
// reference server's throughput in a run. It is the estimate of the one-way random-effects
// analysis of variance, unbalanced (Searle, Casella and McCulloch, "Variance Components",
// 1992, section 3.6), with the variance within runs pooled over all of them, because one
// run has few trials. It returns nil for fewer than two runs, or for one trial in each.
func EstimateRunVariance(runs []stat.Moments) *record.RunVariance {
	k, trials, squares, mean := 0, 0.0, 0.0, 0.0
	for _, run := range runs {
		if run.N == 0 {
			continue
		}
		n := float64(run.N)
		k++
		trials += n
		squares += n * n
		mean += n * (run.Mean - mean) / trials
	}
	if k < 2 || trials <= float64(k) {
		return nil
	}
	among, within := 0.0, 0.0
	for _, run := range runs {
		among += float64(run.N) * (run.Mean - mean) * (run.Mean - mean)
		within += run.M2
	}
	among /= float64(k - 1)
	within /= trials - float64(k)
	perRun := (trials - squares/trials) / float64(k-1) // average number of trials
	return &record.RunVariance{Runs: k, VarianceLog: max(0, (among-within)/perRun)}
}

// ReferenceThroughput returns the moments of the logs of the light reference server's
// throughput, for EstimateRunVariance. They are empty if the run has no such trials.
func (r *Run) ReferenceThroughput() stat.Moments {
	for _, k := range r.keys() {
		if k.Variant == lab.LightReference {
			if m := r.groups[k].referenceLogs(); m.N > 0 {
				return m
			}
		}
	}
	return stat.Moments{}
}

// referenceLogs returns the moments of the logs of a reference server's throughput,
// without bounds.
func (g *group) referenceLogs() stat.Moments {
	if t := g.tally(referenceMetric); t != nil {
		return t.logs
	}
	return stat.Moments{}
}

// ReferenceVariance is the variance of reference servers between runs. It is added for each
// side of a line without history.
type ReferenceVariance struct {
	VarianceLog float64 `json:"variance_log"`
	Runs        int     `json:"runs"` // that it was estimated from; 0: an allowance, not an estimate
	// Source is where the value is from: a Reason of the kinds lab.VarianceOfHost and following.
	Source lab.Reason `json:"source"`
}

// deviation returns the standard deviation, as a share.
func (v ReferenceVariance) deviation() float64 { return math.Sqrt(v.VarianceLog) }

// referenceVariance returns the larger of the variances that the two runs recorded for
// their host's reference servers. If neither did, it derives one from the log ratio of the
// reference servers of these two runs: half its square.
func referenceVariance(old, new *Run, logRatio *float64) ReferenceVariance {
	if sameRun(old, new) {
		return ReferenceVariance{Source: lab.Reason{Kind: lab.VarianceOfOneRun}}
	}
	var known *record.RunVariance
	for _, r := range []*Run{old, new} {
		if r.Info == nil || r.Info.BetweenRuns == nil || r.Info.BetweenRuns.Runs < MinRuns {
			continue
		}
		if b := r.Info.BetweenRuns; known == nil || b.VarianceLog > known.VarianceLog {
			known = b
		}
	}
	switch {
	case known != nil:
		return ReferenceVariance{
			known.VarianceLog, known.Runs, lab.Reason{Kind: lab.VarianceOfHost, Count: known.Runs},
		}
	case logRatio != nil:
		return ReferenceVariance{
			VarianceLog: *logRatio * *logRatio / 2,
			Source:      lab.Reason{Kind: lab.VarianceOfReferences},
		}
	}
	return ReferenceVariance{Source: lab.Reason{Kind: lab.VarianceUnknown}}
}

// sharedReferences returns the keys of reference servers, by phase, that both runs started.
func sharedReferences(old, new *Run) []Key {
	return sharedKeys(old, new, func(k Key) bool { return k.Scenario == lab.ReferenceScenario && k.Phase != "" })
}

// referenceLogRatio returns the mean log ratio, new/old, of the throughput of the reference
// servers with valid trials in both runs; nil if there are none.
func referenceLogRatio(old, new *Run) *float64 {
	sum, n := 0.0, 0.0
	for _, k := range sharedReferences(old, new) {
		a, b := old.groupOf(k, new).referenceLogs(), new.groupOf(k, old).referenceLogs()
		if a.N > 0 && b.N > 0 {
			sum += b.Mean - a.Mean
			n++
		}
	}
	if n == 0 {
		return nil
	}
	mean := sum / n
	return &mean
}

// usableTrials counts the trials of reference servers with a usable value, as text.
func (r *Run) usableTrials(keys []Key, other *Run) string {
	usable, all := 0, 0
	for _, k := range keys {
		usable += r.groupOf(k, other).referenceLogs().N
		all += r.blocks(k)
	}
	return fmt.Sprintf("%d of %s", usable, message.Count(all, "trial", "trials"))
}

// percentChange converts a log ratio to the change from 1 in percent.
func percentChange(logRatio float64) float64 { return 100 * math.Expm1(logRatio) }
