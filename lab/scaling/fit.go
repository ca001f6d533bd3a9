package scaling

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/message"
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
	Peak   Estimate `json:"peak_cores"`
	Doubts []string `json:"doubts,omitempty"`
}

const (
	resamples     = 2000
	bootstrapSeed = 1 // fixed, so that the same rows have the same intervals
)

// fitCurve fits the law to a curve and its series. If it cannot, it returns nil and the reason.
func fitCurve(s series, c Curve) (*Fit, string) {
	if n := len(c.Points); n < stat.MinUSLPoints {
		return nil, fmt.Sprintf("a fit needs four core counts; this has %d (%s)", n, c.CoresNote())
	}
	if doubts := s.doubts(); len(doubts) > 0 {
		return nil, "no fit: " + strings.Join(doubts, "; ")
	}
	counts := s.exactCoreCounts()
	if len(counts) < stat.MinUSLPoints {
		return nil, fmt.Sprintf("a fit needs four core counts with at least %d exact blocks each; this has %d",
			lab.MinBlocks, len(counts))
	}
	blocks := s.completeBlocks(counts)
	if len(blocks) < lab.MinBlocks {
		return nil, fmt.Sprintf("a fit needs %d blocks that are valid on all core counts; this has %d",
			lab.MinBlocks, len(blocks))
	}
	law, err := stat.FitUSL(slices.Concat(blocks...))
	if err != nil {
		return nil, fmt.Sprintf("no fit: %v", err)
	}
	low, high, err := stat.BootstrapUSL(blocks, resamples, bootstrapSeed)
	if err != nil {
		return nil, fmt.Sprintf("no fit, because it would have no interval: %v", err)
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
				fmt.Sprintf("the fit leaves out %s: fewer than %d blocks are exact",
					message.Count(p.Cores, "core", "cores"), lab.MinBlocks))
		}
	}
	if most := counts[len(counts)-1]; f.Peak.Value != nil && *f.Peak.Value > float64(most) {
		f.Doubts = append(f.Doubts,
			fmt.Sprintf("the peak is an extrapolation: it lies beyond the %d cores that were measured", most))
	}
	return f, ""
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
