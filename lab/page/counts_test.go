package page_test

import (
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/report"
)

// servedValues counts the trials with a throughput.
func servedValues(r report.Report) (n int) {
	for _, s := range r.Figures {
		for _, l := range s.Lines {
			if l.Served != nil {
				n += len(l.Served.Trials)
			}
		}
	}
	return n
}

// isShown reports whether a variant's figures are shown: those of the lab's own servers and of twins
// judge the run.
func isShown(variant string) bool {
	return !strings.HasPrefix(variant, "lab/") && !strings.Contains(variant, "~")
}

// distributions counts the phases that count and have percentiles, peaks left out.
func distributions(r report.Report) (n int) {
	for _, d := range r.Latencies {
		if isShown(d.Variant) && d.Validity != lab.Disturbed && d.Validity != lab.Failed && len(d.Quantiles) > 0 &&
			!strings.HasPrefix(d.Phase, "peak") {
			n++
		}
	}
	return n
}

// attacks counts the attacks that were measured.
func attacks(r report.Report) (n int) {
	for _, a := range r.Timeline {
		if isShown(a.Variant) && !strings.HasPrefix(a.Phase, "warmup") {
			n++
		}
	}
	return n
}

// rates counts the rates with a latency, in scenarios that have several.
func rates(r report.Report) (n int) {
	for _, l := range r.Loads {
		if isShown(l.Variant) && l.P99MS != nil && l.Validity != lab.Disturbed && l.Validity != lab.Failed {
			n++
		}
	}
	if len(r.Loads) > 0 && r.Loads[0].Step == 0 {
		return 0 // the recorded runs without a search have too few requests at each rate for a p99
	}
	return n
}

// comparisons counts the ratios of claims: each in its strip and with its blocks, and the blocks.
func comparisons(r report.Report) (n int) {
	if r.Untested != nil {
		return 0
	}
	for _, c := range r.Claims {
		for _, v := range c.HypothesisVerdicts {
			if v.Ratio == nil {
				continue
			}
			n += 2
			for _, block := range v.BlockRatios {
				if block.Bound == "" {
					n++
				}
			}
		}
	}
	return n
}
