package scaling

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/stat"
)

// Fit is the Universal Scalability Law of a curve: on N cores the throughput
// λN / (1 + σ(N-1) + κN(N-1)). Intervals are of 95 %, from resampled blocks.
type Fit struct {
	Lambda Estimate `json:"lambda_rps"` // of one core
	Sigma  Estimate `json:"sigma"`      // contention: what is done one at a time
	Kappa  Estimate `json:"kappa"`      // coherency: what each core does for each other one
	// beyond which more cores bring less: 1 where more never gain; nil where there is no such number
	Peak   Estimate `json:"peak_cores"`
	Doubts []string `json:"doubts,omitempty"`
}

const (
	resamples     = 2000
	bootstrapSeed = 1 // the same rows have the same intervals
)

// fitCurve finds the coefficients of a curve, or says why it does not.
func fitCurve(of series, c Curve) (*Fit, string) {
	if n := len(c.Points); n < stat.MinUSLPoints {
		return nil, fmt.Sprintf("a fit needs four core counts; this has %d (%s)", n, c.CoresNote())
	}
	if doubts := of.doubts(); len(doubts) > 0 {
		return nil, "no fit: " + strings.Join(doubts, "; ")
	}
	counts := of.exactCoreCounts()
	if len(counts) < stat.MinUSLPoints {
		return nil, fmt.Sprintf("a fit needs four core counts of which %d blocks are no bounds; this has %d",
			lab.MinBlocks, len(counts))
	}
	blocks := of.completeBlocks(counts)
	if len(blocks) < lab.MinBlocks {
		return nil, fmt.Sprintf("too few valid blocks for a fit (%d; %d are needed)", len(blocks), lab.MinBlocks)
	}
	law, err := stat.FitUSL(slices.Concat(blocks...))
	if err != nil {
		return nil, fmt.Sprintf("no fit: %v", err)
	}
	low, high, err := stat.BootstrapUSL(blocks, resamples, bootstrapSeed)
	if err != nil {
		return nil, fmt.Sprintf("no interval of a fit: %v", err)
	}
	f := &Fit{
		Lambda: intervalEstimate(len(blocks), low.Lambda, law.Lambda, high.Lambda),
		Sigma:  intervalEstimate(len(blocks), low.Sigma, law.Sigma, high.Sigma),
		Kappa:  intervalEstimate(len(blocks), low.Kappa, law.Kappa, high.Kappa),
		// Both coefficients bring the peak nearer, and what one has too much the
		// other has too little: the interval is wider than it had to be.
		Peak: intervalEstimate(len(blocks), high.Peak(), law.Peak(), low.Peak()),
	}
	for _, p := range c.Points {
		if !slices.Contains(counts, p.Cores) {
			f.Doubts = append(f.Doubts,
				fmt.Sprintf("the fit leaves out %d cores: fewer than %d of its blocks are no bounds", p.Cores,
					lab.MinBlocks))
		}
	}
	if most := counts[len(counts)-1]; f.Peak.Value != nil && *f.Peak.Value > float64(most) {
		f.Doubts = append(f.Doubts,
			fmt.Sprintf("the peak lies beyond the %d cores that were measured: an extrapolation", most))
	}
	return f, ""
}

func intervalEstimate(blocks int, low, value, high float64) Estimate {
	return Estimate{Blocks: blocks, Value: finiteOrNil(value), Low: finiteOrNil(low), High: finiteOrNil(high)}
}

// completeBlocks are the blocks in which all of the counts are known, as points.
func (s series) completeBlocks(counts []int) (blocks [][]stat.Point) {
	byBlock := map[int64][]stat.Point{}
	for _, cores := range counts {
		for block, q := range s.byBlock(cores) {
			if q.bound == Exact {
				byBlock[block] = append(byBlock[block], stat.Point{N: float64(cores), X: math.Exp(q.log)})
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

// exactCoreCounts are the numbers of cores of which enough blocks are no bounds.
func (s series) exactCoreCounts() []int {
	return slices.DeleteFunc(s.cores(), func(cores int) bool {
		exact := 0
		for _, q := range s.byBlock(cores) {
			if q.bound == Exact {
				exact++
			}
		}
		return exact < lab.MinBlocks
	})
}
