package scaling

import (
	"fmt"
	"maps"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// series is what was measured of a subject, by cores and block.
type series map[blockKey]blockResult

type blockKey struct {
	cores int
	block int64
}

// blockResult is what counts of a cell.
type blockResult struct {
	boundedValue
	workers   int64   // processes that accept requests; 0 where the server does not say
	throttled int64   // periods in which a quota parked it
	failed    float64 // share of its requests, where that is more than a finding may rest on
}

// add takes a row of a subject that counts.
func (s series) add(r metric.Row, name string) {
	value, ok := r.Float(name)
	cores, given := r.Int("server_cpus")
	if !ok || !given || value <= 0 {
		return
	}
	t := blockResult{boundedValue: exactValue(value)}
	if lab.Validity(r.Text("validity")) == lab.Censored {
		t.bound = AtLeast
	}
	block, _ := r.Int("block")
	t.workers, _ = r.Int("workers")
	t.throttled, _ = r.Int("throttled_periods")
	m, _ := metric.Find(name)
	if share, failing := r.Fails(m); failing {
		t.failed = share
	}
	s[blockKey{int(cores), block}] = t
}

// cores are the numbers of CPUs, ascending.
func (s series) cores() (all []int) {
	for at := range s {
		all = append(all, at.cores)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// byBlock is what was measured on so many CPUs, by block.
func (s series) byBlock(cores int) map[int64]boundedValue {
	all := map[int64]boundedValue{}
	for at, t := range s {
		if at.cores == cores {
			all[at.block] = t.boundedValue
		}
	}
	return all
}

// speedUp is throughput over that on the fewest cores, by block. Over itself it
// is 1, whatever it is.
func (s series) speedUp(cores, fewest int) map[int64]boundedValue {
	all := s.byBlock(cores)
	if cores == fewest {
		for block := range all {
			all[block] = exactValue(1)
		}
		return all
	}
	return ratiosByBlock(all, s.byBlock(fewest))
}

// doubts are why the curve may be of something else than cores.
func (s series) doubts() (all []string) {
	for _, why := range []string{s.oversubscribed(), s.throttled(), s.failing()} {
		if why != "" {
			all = append(all, why)
		}
	}
	return all
}

// oversubscribed says where more workers than CPUs take turns: another CPU then brings
// more than another core of a server that fits its cores.
func (s series) oversubscribed() string {
	for _, at := range s.sortedKeys() {
		if workers := s[at].workers; workers > int64(at.cores) {
			return fmt.Sprintf("workers %d on server_cpus %d (block %d): what workers that take turns gain from "+
				"another core is no law of cores", workers, at.cores, at.block)
		}
	}
	return ""
}

// throttled says where a quota stopped the server for a part of each period.
func (s series) throttled() string {
	for _, at := range s.sortedKeys() {
		if n := s[at].throttled; n > 0 {
			return fmt.Sprintf("throttled_periods %d on server_cpus %d (block %d): a server under a quota is not "+
				"given whole cores", n, at.cores, at.block)
		}
	}
	return ""
}

// failing says where requests failed: on the fewest CPUs that makes a speed-up look
// high, on more of them low.
func (s series) failing() string {
	for _, at := range s.sortedKeys() {
		if share := s[at].failed; share > 0 {
			return fmt.Sprintf("%s of requests failed on server_cpus %d (block %d): throughput is of those that did "+
				"not, "+
				"and a speed-up may be too high or too low by the others", metric.Percent(share), at.cores, at.block)
		}
	}
	return ""
}

func (s series) sortedKeys() []blockKey {
	return slices.SortedFunc(maps.Keys(s), func(a, b blockKey) int {
		if a.cores != b.cores {
			return a.cores - b.cores
		}
		return int(a.block - b.block)
	})
}
