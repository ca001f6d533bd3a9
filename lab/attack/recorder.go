package attack

import (
	"bytes"
	"fmt"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	vegeta "github.com/tsenart/vegeta/v12/lib"

	"runtimelab/lab"
)

const (
	digits       = 3                       // significant digits of every histogram
	longest      = int64(10 * time.Minute) // largest latency that a histogram tells apart
	beyond       = 10                      // samples that must lie beyond a quantile for it to be said
	errorReasons = 8                       // distinct reasons kept
)

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, longest, digits) }

// record adds a duration to a histogram; what is out of range counts as the
// nearest end, never as nothing.
func record(h *hdrhistogram.Histogram, d time.Duration) {
	v := min(max(int64(d), 0), longest)
	if err := h.RecordValue(v); err != nil {
		panic(fmt.Sprintf("attack: %d ns is within the histogram's range but was refused: %v", v, err))
	}
}

// recorder turns Vegeta's results into an AttackResult as they come. Its
// memory does not grow with the number of hits, only with seconds.
type recorder struct {
	targets map[string]lab.Target // by the URL that Vegeta reports
	due     func(seq uint64) time.Time

	began, ended         time.Time
	sent, good, bad      int64
	bytesIn, bytesOut    int64
	reasons              map[string]int
	raw, corrected, lags *hdrhistogram.Histogram
	buckets              []lab.Bucket
	second               *hdrhistogram.Histogram // latencies of the newest bucket
}

// newRecorder records results of targets. due is nil in a closed loop, which
// has no schedule.
func newRecorder(a lab.Attack, due func(seq uint64) time.Time) *recorder {
	r := &recorder{
		targets: make(map[string]lab.Target, len(a.Targets)),
		due:     due,
		reasons: make(map[string]int),
		raw:     newHistogram(),
		second:  newHistogram(),
	}
	if due != nil {
		r.corrected, r.lags = newHistogram(), newHistogram()
	}
	for i, t := range a.Targets {
		r.targets[targetURL(a.BaseURL, t, i)] = t
	}
	return r
}

// add records one hit.
func (r *recorder) add(hit *vegeta.Result) {
	end := hit.End()
	if r.began.IsZero() || hit.Timestamp.Before(r.began) {
		r.began = hit.Timestamp
	}
	if end.After(r.ended) {
		r.ended = end
	}
	r.sent++
	r.bytesIn += int64(hit.BytesIn)
	r.bytesOut += int64(len(r.targets[hit.URL].Request.Body))

	latency := hit.Latency
	record(r.raw, hit.Latency)
	if r.due != nil {
		due := r.due(hit.Seq)
		latency = end.Sub(due)
		record(r.corrected, latency)
		record(r.lags, hit.Timestamp.Sub(due))
	}

	bucket := r.bucketFor(end)
	r.bucketAt(hit.Timestamp).Sent++
	if reason := r.fault(hit); reason == "" {
		r.good++
		bucket.Succeeded++
	} else {
		r.bad++
		bucket.Failed++
		r.count(reason)
	}
	record(r.second, latency)
}

// fault says why a hit is not a success; empty when it is one. A hit that
// takes no answer, or another one than its target's, is an error of the server.
func (r *recorder) fault(hit *vegeta.Result) string {
	want, known := r.targets[hit.URL]
	switch {
	case hit.Code == 0:
		return hit.Error
	case !known:
		return "hit on an unknown target " + hit.URL
	case int(hit.Code) != want.Status:
		return fmt.Sprintf("status %d instead of %d", hit.Code, want.Status)
	case !bytes.Equal(hit.Body, want.Body):
		return fmt.Sprintf("%s %s: body differs from the contract's", hit.Method, want.Request.Path)
	}
	return ""
}

func (r *recorder) count(reason string) {
	if _, seen := r.reasons[reason]; !seen && len(r.reasons) >= errorReasons {
		reason = "other"
	}
	r.reasons[reason]++
}

// bucketFor is the bucket in which an answer that came at t counts. Results
// come in the order of their ends but for microseconds, so that a bucket's
// latencies are complete when the next one opens; a straggler counts in the
// newest bucket rather than not at all.
func (r *recorder) bucketFor(t time.Time) *lab.Bucket {
	second := int(t.Sub(r.began) / time.Second)
	if len(r.buckets) > 0 && second < r.buckets[len(r.buckets)-1].Second {
		second = r.buckets[len(r.buckets)-1].Second
	}
	for len(r.buckets) <= second {
		r.closeBucket()
		r.buckets = append(r.buckets, lab.Bucket{Second: len(r.buckets)})
	}
	return &r.buckets[second]
}

// bucketAt is the existing bucket of a moment that is not after the newest one.
func (r *recorder) bucketAt(t time.Time) *lab.Bucket {
	second := int(t.Sub(r.began) / time.Second)
	return &r.buckets[min(max(second, 0), len(r.buckets)-1)]
}

func (r *recorder) closeBucket() {
	if len(r.buckets) == 0 {
		return
	}
	last := &r.buckets[len(r.buckets)-1]
	last.P50MS, last.P99MS = quantile(r.second, 50), quantile(r.second, 99)
	r.second.Reset()
}

// result closes the record. intended is the number of hits that the schedule
// called for; a closed loop has none and passes a negative number.
func (r *recorder) result(intended int64) (lab.AttackResult, error) {
	r.closeBucket()
	if intended < 0 {
		intended = r.sent
	}
	out := lab.AttackResult{
		StartedAt: r.began.UTC(),
		Elapsed:   r.ended.Sub(r.began),
		Intended:  intended,
		Sent:      r.sent,
		Succeeded: r.good,
		Failed:    r.bad,
		Errors:    r.reasons,
		BytesIn:   r.bytesIn,
		BytesOut:  r.bytesOut,
		Buckets:   r.buckets,
	}
	var err error
	for _, h := range []struct {
		from *hdrhistogram.Histogram
		to   **lab.Latency
	}{{r.raw, &out.Raw}, {r.corrected, &out.Corrected}, {r.lags, &out.SendLag}} {
		if h.from == nil || h.from.TotalCount() == 0 {
			continue
		}
		if *h.to, err = summary(h.from); err != nil {
			return out, err
		}
	}
	return out, nil
}

// summary is what a histogram of nanoseconds says, in milliseconds.
func summary(h *hdrhistogram.Histogram) (*lab.Latency, error) {
	encoded, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, fmt.Errorf("encoding a histogram of %d samples: %w", h.TotalCount(), err)
	}
	return &lab.Latency{
		Count:  h.TotalCount(),
		MeanMS: h.Mean() / float64(time.Millisecond),
		P50MS:  quantile(h, 50),
		P90MS:  quantile(h, 90),
		P99MS:  quantile(h, 99),
		P999MS: quantile(h, 99.9),
		MaxMS:  milliseconds(h.Max()),
		HDR:    encoded,
	}, nil
}

// quantile is a percentile in milliseconds, nil unless at least ten samples lie
// beyond it.
func quantile(h *hdrhistogram.Histogram, percentile float64) *float64 {
	if math.Round(float64(h.TotalCount())*(100-percentile)/100) < beyond {
		return nil
	}
	v := milliseconds(h.ValueAtPercentile(percentile))
	return &v
}

func milliseconds(ns int64) float64 { return float64(ns) / float64(time.Millisecond) }
