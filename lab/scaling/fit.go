package scaling

import (
	"maps"
	"math"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/stat"
)

// Fit holds the Universal Scalability Law of a curve, by which the throughput on N cores is
// λN / (1 + σ(N-1) + κN(N-1)). Its 95 % intervals come from resampled blocks.
type Fit struct {
	Lambda Estimate `json:"lambda_rps"` // throughput of one core
	Sigma  Estimate `json:"sigma"`      // contention: the share of work done one at a time
	Kappa  Estimate `json:"kappa"`      // coherency: the cost of each pair of cores
	// Peak is the number of cores with the highest throughput: 1 if more cores never gain, nil if
	// throughput never falls.
	Peak   Estimate     `json:"peak_cores"`
	Doubts []lab.Reason `json:"doubts,omitempty"`
}

const (
	resamples     = 2000
	bootstrapSeed = 1 // fixed, so that the same rows have the same intervals
)

// fitCurve fits the law to a curve and its series. If it cannot, it returns nil and the reason.
func fitCurve(s series, c Curve) (*Fit, []lab.Reason) {
	if n := len(c.Points); n < stat.MinUSLPoints {
		return nil, []lab.Reason{{
			Kind: lab.FitNeedsCounts, Count: n, Needed: stat.MinUSLPoints,
			Parts: []lab.Part{{Count: c.Points[0].Cores}, {Count: c.Points[n-1].Cores}},
		}}
	}
	if doubts := s.doubts(); len(doubts) > 0 {
		return nil, doubts
	}
	counts := s.exactCoreCounts()
	if len(counts) < stat.MinUSLPoints {
		return nil, []lab.Reason{{Kind: lab.FitNeedsExactCounts, Count: len(counts), Needed: lab.MinBlocks}}
	}
	blocks := s.completeBlocks(counts)
	if len(blocks) < lab.MinBlocks {
		return nil, []lab.Reason{{Kind: lab.FitNeedsBlocks, Count: len(blocks), Needed: lab.MinBlocks}}
	}
	law, err := stat.FitUSL(slices.Concat(blocks...))
	if err != nil {
		return nil, []lab.Reason{{Kind: lab.FitFailed, Text: err.Error()}}
	}
	low, high, err := stat.BootstrapUSL(blocks, resamples, bootstrapSeed)
	if err != nil {
		return nil, []lab.Reason{{Kind: lab.FitWithoutInterval, Text: err.Error()}}
	}
	f := &Fit{
		Lambda: intervalEstimate(len(blocks), low.Lambda, law.Lambda, high.Lambda),
		Sigma:  intervalEstimate(len(blocks), low.Sigma, law.Sigma, high.Sigma),
		Kappa:  intervalEstimate(len(blocks), low.Kappa, law.Kappa, high.Kappa),
		// Both coefficients lower the peak and their errors are negatively correlated, so this
		// interval is too wide.
		Peak: intervalEstimate(len(blocks), high.Peak(), law.Peak(), low.Peak()),
	}
	for _, p := range c.Points {
		if !slices.Contains(counts, p.Cores) {
			f.Doubts = append(f.Doubts,
				lab.Reason{Kind: lab.CountLeftOut, Total: p.Cores, Needed: lab.MinBlocks})
		}
	}
	if most := counts[len(counts)-1]; f.Peak.Value != nil && *f.Peak.Value > float64(most) {
		f.Doubts = append(f.Doubts, lab.Reason{Kind: lab.MaximumExtrapolated, Total: most})
	}
	return f, nil
}

func intervalEstimate(blocks int, low, value, high float64) Estimate {
	return Estimate{Blocks: blocks, Value: finiteOrNil(value), Low: finiteOrNil(low), High: finiteOrNil(high)}
}

// completeBlocks returns the points of each block that has exact values on all core counts.
func (s series) completeBlocks(counts []int) (blocks [][]stat.Point) {
	byBlock := map[int64][]stat.Point{}
	for _, cores := range counts {
		for block, value := range s.byBlock(cores) {
			if value.bound == metric.Exact {
				byBlock[block] = append(byBlock[block], stat.Point{N: float64(cores), X: math.Exp(value.log)})
			}
		}
	}
	for _, block := range slices.Sorted(maps.Keys(byBlock)) {
		if points := byBlock[block]; len(points) == len(counts) {
			blocks = append(blocks, points)
		}
	}
	return blocks
}

// exactCoreCounts returns the core counts with enough exact blocks.
func (s series) exactCoreCounts() []int {
	return slices.DeleteFunc(s.coreCounts(), func(cores int) bool {
		exact := 0
		for _, value := range s.byBlock(cores) {
			if value.bound == metric.Exact {
				exact++
			}
		}
		return exact < lab.MinBlocks
	})
}
