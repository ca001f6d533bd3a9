package attack

import (
	"sync"

	"github.com/HdrHistogram/hdrhistogram-go"

	"runtimelab/lab"
)

// secondLatencies collects the latencies of one second after another for a recorder.
type secondLatencies struct {
	newest   *hdrhistogram.Histogram // of successes in the newest second
	closed   int                     // seconds that are in the timeline
	timeline *timeline
}

// close hands the latencies of a second to the timeline and begins the next one.
func (s *secondLatencies) close(second int) {
	if second < s.closed {
		return
	}
	s.timeline.add(second, s.newest)
	s.newest.Reset()
	s.closed = second + 1
}

// timeline computes the percentiles of each second of an attack. It merges the latencies of several
// recorders and keeps only those of seconds that some recorder has not closed yet.
type timeline struct {
	recorders int

	mu      sync.Mutex // taken once a second by each recorder, not for each hit
	seconds []secondOfAll
	spare   []*hdrhistogram.Histogram // to use again
}

// secondOfAll holds the latencies of one second, of all recorders.
type secondOfAll struct {
	p50, p99 *float64
	merged   *hdrhistogram.Histogram // nil when no recorder or every one has closed the second
	reported int                     // recorders that have closed it
}

func newTimeline(recorders int) *timeline { return &timeline{recorders: recorders} }

// add adds the latencies of a recorder's second.
func (t *timeline) add(second int, latencies *hdrhistogram.Histogram) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.seconds) <= second {
		t.seconds = append(t.seconds, secondOfAll{})
	}
	s := &t.seconds[second]
	if s.reported++; t.recorders == 1 {
		s.p50, s.p99 = quantile(latencies, 50), quantile(latencies, 99)
		return
	}
	if s.merged == nil {
		s.merged = t.emptyHistogram()
	}
	s.merged.Merge(latencies)
	if s.reported == t.recorders {
		t.summarize(s)
	}
}

// emptyHistogram returns a new histogram, or one that has been summarised.
func (t *timeline) emptyHistogram() *hdrhistogram.Histogram {
	n := len(t.spare)
	if n == 0 {
		return newHistogram()
	}
	h := t.spare[n-1]
	t.spare = t.spare[:n-1]
	h.Reset()
	return h
}

func (t *timeline) summarize(s *secondOfAll) {
	s.p50, s.p99 = quantile(s.merged, 50), quantile(s.merged, 99)
	t.spare = append(t.spare, s.merged)
	s.merged = nil
}

// fill stores the percentiles in the buckets of the attack. All recorders must have ended.
func (t *timeline) fill(buckets []lab.Bucket) {
	for i := range t.seconds {
		s := &t.seconds[i]
		if s.merged != nil { // a recorder had no hit as late as this
			t.summarize(s)
		}
		if i < len(buckets) {
			buckets[i].P50MS, buckets[i].P99MS = s.p50, s.p99
		}
	}
}
