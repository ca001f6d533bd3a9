package scaling

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// series holds the results of a curve by cores and block.
type series map[blockKey]blockResult

type blockKey struct {
	cores int
	block int64
}

// blockResult is the usable result of one number of CPUs in one block.
type blockResult struct {
	boundedValue
	workers   int64   // processes that accept requests; 0 if the server does not report them
	throttled int64   // periods in which a CPU quota stopped the server
	failed    float64 // share of failed requests if more than the metric tolerates, else 0
}

// add takes a usable row and the name of its metric.
func (s series) add(r metric.Row, name string) {
	m, _ := metric.Find(name)
	value, bound, ok := r.Figure(m)
	cores, hasCores := r.Int("server_cpus")
	if !ok || !hasCores || value <= 0 {
		return
	}
	result := blockResult{boundedValue: boundedValue{math.Log(value), bound}}
	block, _ := r.Int("block")
	result.workers, _ = r.Int("workers")
	result.throttled, _ = r.Int("throttled_periods")
	if share, failing := r.Fails(m); failing {
		result.failed = share
	}
	s[blockKey{int(cores), block}] = result
}

// coreCounts returns the measured numbers of CPUs, ascending.
func (s series) coreCounts() (all []int) {
	for key := range s {
		all = append(all, key.cores)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// byBlock returns the values on the given number of CPUs by block.
func (s series) byBlock(cores int) map[int64]boundedValue {
	values := map[int64]boundedValue{}
	for key, result := range s {
		if key.cores == cores {
			values[key.block] = result.boundedValue
		}
	}
	return values
}

// speedUp returns the throughput over that on the fewest cores, by block. On the fewest cores
// it is exactly 1, even if the throughput is a bound.
func (s series) speedUp(cores, fewest int) map[int64]boundedValue {
	values := s.byBlock(cores)
	if cores == fewest {
		for block := range values {
			values[block] = exactValue(1)
		}
		return values
	}
	return ratiosByBlock(values, s.byBlock(fewest))
}

// doubts returns why the curve may not show scaling by CPUs.
func (s series) doubts() []lab.Reason {
	return slices.Concat(s.workersDoubt(), s.quotaDoubt(), s.failureDoubt())
}

// firstDoubt returns the first doubt that a result leaves, in the order of cores and blocks, or none.
// A doubt without a kind is none.
func (s series) firstDoubt(doubtOf func(blockKey, blockResult) lab.Reason) []lab.Reason {
	keys := slices.SortedFunc(maps.Keys(s), func(a, b blockKey) int {
		return cmp.Or(cmp.Compare(a.cores, b.cores), cmp.Compare(a.block, b.block))
	})
	for _, key := range keys {
		if doubt := doubtOf(key, s[key]); doubt.Kind != "" {
			doubt.Total, doubt.Parts = key.cores, []lab.Part{{Block: int(key.block)}}
			return []lab.Reason{doubt}
		}
	}
	return nil
}

// workersDoubt returns the doubt about more workers than CPUs. Such workers wait for each other,
// so another CPU gains them more.
func (s series) workersDoubt() []lab.Reason {
	return s.firstDoubt(func(key blockKey, r blockResult) (doubt lab.Reason) {
		if r.workers > int64(key.cores) {
			doubt = lab.Reason{Kind: lab.MoreWorkersThanCPUs, Count: int(r.workers)}
		}
		return doubt
	})
}

// quotaDoubt returns the doubt about a CPU quota that stopped the server.
func (s series) quotaDoubt() []lab.Reason {
	return s.firstDoubt(func(_ blockKey, r blockResult) (doubt lab.Reason) {
		if r.throttled > 0 {
			doubt = lab.Reason{Kind: lab.QuotaStoppedServer, Count: int(r.throttled)}
		}
		return doubt
	})
}

// failureDoubt returns the doubt about failed requests. On the fewest CPUs they make a speed-up
// look high, on more CPUs low.
func (s series) failureDoubt() []lab.Reason {
	return s.firstDoubt(func(_ blockKey, r blockResult) (doubt lab.Reason) {
		if r.failed > 0 {
			doubt = lab.Reason{Kind: lab.FailuresOnCurve, Value: r.failed}
		}
		return doubt
	})
}
