package compare

import (
	"fmt"
	"math"

	"runtimelab/lab"
	"runtimelab/lab/record"
	"runtimelab/lab/stat"
)

// referenceMetric is what reference servers are compared by.
const referenceMetric = "throughput_rps"

// MinRuns is the number of runs below which their variance says nothing of the
// next.
const MinRuns = 3

// EstimateRunVariance is by how much runs of one host differ beyond their trials, from the
// moments of the logs of one reference server's throughput in each: the estimate
// of the analysis of variance of one random factor, unbalanced (Searle, Casella
// and McCulloch, "Variance Components", 1992, section 3.6). Its variance within is
// that of all runs together, for one run has too few trials to weigh it by. It is
// nil where there are no two runs, or no trials to tell the two variances apart.
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
	each := (trials - squares/trials) / float64(k-1) // trials of a run, on average
	return &record.RunVariance{Runs: k, VarianceLog: max(0, (among-within)/each)}
}

// ReferenceThroughput is the moments of the logs of the lesser reference server's
// throughput, for EstimateRunVariance; of nothing where the run has none.
func (r *Run) ReferenceThroughput() stat.Moments {
	for _, k := range r.keys() {
		if k.Variant == lab.LightReference {
			if m := r.groups[k].reference(); m.N > 0 {
				return m
			}
		}
	}
	return stat.Moments{}
}

// reference is the logs of a reference server's throughput, bounds left out: of
// nothing for any other group.
func (g *group) reference() stat.Moments {
	if t := g.tally(referenceMetric); t != nil {
		return t.logs
	}
	return stat.Moments{}
}

// ReferenceVariance is what reference servers tell of the variance between runs: what is added
// for each side of a line of which nothing better is known.
type ReferenceVariance struct {
	VarianceLog float64 `json:"variance_log"`
	Runs        int     `json:"runs"`   // that it was found from; 0: it is an allowance, and no estimate
	Source      string  `json:"source"` // in words
}

func (s ReferenceVariance) String() string {
	return fmt.Sprintf("%.2f%% (%s)", 100*math.Sqrt(s.VarianceLog), s.Source)
}

// referenceVariance is the larger of what the two runs know of their host's reference servers.
// Where neither does, it is what these servers' difference shows: half its square.
func referenceVariance(old, new *Run, references *float64) ReferenceVariance {
	if sameRun(old, new) {
		return ReferenceVariance{Source: "both are of one run"}
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
			known.VarianceLog, known.Runs,
			fmt.Sprintf("the throughput of a reference server in %d runs of the host", known.Runs),
		}
	case references != nil:
		return ReferenceVariance{
			VarianceLog: *references * *references / 2,
			Source:      "from how far the reference servers of these two runs are apart",
		}
	}
	return ReferenceVariance{Source: "no reference server tells: the intervals are too narrow by what runs of " +
		"one host differ"}
}

// sharedReferences are the reference servers that both runs started, by the phases
// that they were measured in.
func sharedReferences(old, new *Run) []Key {
	return sharedKeys(old, new, func(k Key) bool { return k.Scenario == lab.ReferenceScenario && k.Phase != "" })
}

// referenceLogRatio is the mean log ratio, new over old, of the throughput of the
// reference servers that both have figures of; nil where there are none.
func referenceLogRatio(old, new *Run) *float64 {
	sum, n := 0.0, 0.0
	for _, k := range sharedReferences(old, new) {
		a, b := old.groupOf(k, new).reference(), new.groupOf(k, old).reference()
		if a.N > 0 && b.N > 0 {
			sum += b.Mean - a.Mean
			n++
		}
	}
	if n == 0 {
		return nil
	}
	d := sum / n
	return &d
}

// usableTrials is how many trials of reference servers have a figure, of all that a run
// measured.
func (r *Run) usableTrials(keys []Key, other *Run) string {
	n, of := 0, 0
	for _, k := range keys {
		n += r.groupOf(k, other).reference().N
		of += r.blocks(k)
	}
	return fmt.Sprintf("%d of %d trials", n, of)
}

// percent is a log ratio as what it is more or less than 1, in percent.
func percent(log float64) float64 { return 100 * math.Expm1(log) }
