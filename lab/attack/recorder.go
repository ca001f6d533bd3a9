package attack

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	vegeta "github.com/tsenart/vegeta/v12/lib"

	"runtimelab/lab"
)

const (
	significantDigits = 3                       // significant digits of every histogram
	maxLatency        = int64(10 * time.Minute) // largest latency that a histogram tells apart
	minBeyondQuantile = 10                      // samples that must lie beyond a quantile for it to be said
	maxErrorReasons   = 8                       // distinct reasons kept
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, maxLatency, significantDigits)
}

// recordDuration adds a duration to a histogram; what is out of range counts as the
// nearest end, never as nothing.
func recordDuration(h *hdrhistogram.Histogram, d time.Duration) {
	v := min(max(int64(d), 0), maxLatency)
	if err := h.RecordValue(v); err != nil {
		panic(fmt.Sprintf("attack: %d ns is within the histogram's range but was refused: %v", v, err))
	}
}

// recorder turns Vegeta's results into an AttackResult as they come. Its
// memory does not grow with the number of hits, only with seconds. Times are
// counted from the transport's epoch.
type recorder struct {
	targets     []lab.Target
	epoch       time.Time
	due         func(seq uint64) time.Duration // nil in a closed loop, which has no schedule
	result      lab.AttackResult
	warmEnd     string
	hitWriter   *hitWriter   // nil unless hits are kept
	completions *completions // nil in any other attack

	deadline time.Duration // 0: there is none
	duration time.Duration // for which the attack sends at the most

	began, ended                        time.Duration
	raw, corrected, sendLags, firstByte *hdrhistogram.Histogram // of successes, but for the send lag
	secondHistogram                     *hdrhistogram.Histogram // of successes in the newest bucket
	failures                            *hdrhistogram.Histogram // of hits that failed
}

func newRecorder(a lab.Attack, epoch time.Time, hits io.Writer) *recorder {
	r := &recorder{
		targets:         a.Targets,
		epoch:           epoch,
		result:          lab.AttackResult{Errors: make(map[string]int)},
		raw:             newHistogram(),
		firstByte:       newHistogram(),
		secondHistogram: newHistogram(),

		failures: newHistogram(),

		deadline: a.Deadline,
		duration: maxSendTime(a),
	}
	if a.KeepHits {
		r.hitWriter = newHitWriter(hits)
	}
	return r
}

// useSchedule has latencies corrected by a schedule that calls for so many hits.
func (r *recorder) useSchedule(due func(seq uint64) time.Duration, intended int64) {
	r.due, r.result.Intended = due, intended
	r.corrected, r.sendLags = newHistogram(), newHistogram()
}

// countLadder has successes counted as those of a ladder.
func (r *recorder) countLadder(c *completions) {
	r.completions = c
	r.result.ClientRampUp = c.allArrived - c.firstArrival
}

// add records one hit and returns when it ended, after the first one's start.
func (r *recorder) add(hit *vegeta.Result) time.Duration {
	rep, answered := decodeReport(hit.Body)
	if !answered {
		sent := hit.Timestamp.Sub(r.epoch)
		rep = exchangeReport{target: targetIndex(hit.URL), sent: sent, endAt: sent + hit.Latency}
	}
	if r.result.Sent == 0 || rep.sent < r.began {
		r.began = rep.sent
	}
	r.ended = max(r.ended, r.countsUntil(rep.endAt, answered))
	r.result.Sent++

	latency := rep.endAt - rep.sent
	charged := latency // what the server is charged with
	if r.due != nil {
		due := r.due(hit.Seq)
		charged = rep.endAt - due
		recordDuration(r.sendLags, rep.sent-due)
	}
	bucket := r.bucketFor(rep.endAt)
	r.bucketAt(rep.sent).Sent++
	fault := stripURL(hit.Error)
	if answered {
		fault = r.failureReason(rep)
	}
	if r.completions != nil {
		r.completions.add(rep.sent, rep.endAt, fault == "")
	}
	if !r.targets[rep.target].Request.Background {
		r.recordLatencies(rep, latency, charged, fault == "")
	}
	if fault == "" {
		r.result.Succeeded++
		bucket.Succeeded++
		if charged <= r.deadline {
			r.result.WithinDeadline++
		}
	} else {
		r.result.Failed++
		bucket.Failed++
		r.countError(fault)
	}
	if r.hitWriter != nil {
		r.hitWriter.add(lab.Hit{
			Seq: hit.Seq, SentAt: r.epoch.Add(rep.sent), Latency: latency, FirstByte: max(rep.firstByteAt-rep.sent, 0),
			TargetIndex: rep.target, Status: rep.status, BytesIn: rep.bytesIn, Error: fault,
		})
	}
	return rep.endAt - r.began
}

// countsUntil is until when a hit keeps the attack going. One that got no answer
// does so while others are sent: the time that the generator waited for it in vain
// afterwards, up to its timeout, is none in which anything could have been served.
func (r *recorder) countsUntil(end time.Duration, answered bool) time.Duration {
	if answered {
		return end
	}
	return min(end, r.began+r.duration)
}

// recordLatencies records how long a hit took. Failures are counted apart: an error that
// comes at once would make the server look fast, and a timeout slow.
func (r *recorder) recordLatencies(rep exchangeReport, latency, charged time.Duration, succeeded bool) {
	if !succeeded {
		recordDuration(r.failures, charged)
		return
	}
	recordDuration(r.raw, latency)
	recordDuration(r.firstByte, rep.firstByteAt-rep.sent)
	if r.due != nil {
		recordDuration(r.corrected, charged)
	}
	recordDuration(r.secondHistogram, charged)
}

// failureReason says why an answered hit is not a success; empty when it is one. An
// answer other than its target's is an error of the server.
func (r *recorder) failureReason(rep exchangeReport) string {
	switch {
	case rep.status != r.targets[rep.target].Status:
		return fmt.Sprintf("status %d instead of %d", rep.status, r.targets[rep.target].Status)
	case rep.bodyDiffers:
		request := r.targets[rep.target].Request
		return fmt.Sprintf("%s %s: body differs from the contract's", request.Method, request.Path)
	}
	return ""
}

// stripURL is what went wrong without http.Client's words before it, which
// name the target as the transport knows it.
func stripURL(message string) string {
	if _, after, ok := strings.Cut(message, `": `); ok {
		return after
	}
	return message
}

func (r *recorder) countError(fault string) {
	if _, seen := r.result.Errors[fault]; !seen && len(r.result.Errors) >= maxErrorReasons {
		fault = "other"
	}
	r.result.Errors[fault]++
}

// setTransportCounts takes what the transport counted.
func (r *recorder) setTransportCounts(bytesIn, bytesOut, dialled int64) {
	r.result.BytesIn, r.result.BytesOut, r.result.ConnectionsOpened = bytesIn, bytesOut, dialled
}

// bucketFor is the bucket in which an answer that came at t counts. Results
// come in the order of their ends but for microseconds, so that a bucket's
// latencies are complete when the next one opens; a straggler counts in the
// newest bucket rather than not at all.
func (r *recorder) bucketFor(t time.Duration) *lab.Bucket {
	second := max(int((t-r.began)/time.Second), len(r.result.Buckets)-1, 0)
	for len(r.result.Buckets) <= second {
		r.closeBucket()
		r.result.Buckets = append(r.result.Buckets, lab.Bucket{Second: len(r.result.Buckets)})
	}
	return &r.result.Buckets[second]
}

// bucketAt is the existing bucket of a moment that is not after the newest one.
func (r *recorder) bucketAt(t time.Duration) *lab.Bucket {
	second := int((t - r.began) / time.Second)
	return &r.result.Buckets[min(max(second, 0), len(r.result.Buckets)-1)]
}

func (r *recorder) closeBucket() {
	if len(r.result.Buckets) == 0 {
		return
	}
	last := &r.result.Buckets[len(r.result.Buckets)-1]
	last.P50MS, last.P99MS = quantile(r.secondHistogram, 50), quantile(r.secondHistogram, 99)
	r.secondHistogram.Reset()
}

// finish closes the record.
func (r *recorder) finish() (lab.AttackResult, error) {
	r.closeBucket()
	out := &r.result
	out.StartedAt = r.epoch.Add(r.began).UTC()
	out.Elapsed = r.ended - r.began
	out.WarmUpEnd = r.warmEnd
	if r.due == nil {
		out.Intended = out.Sent
	}
	if r.completions != nil {
		out.LadderRPS = r.completions.rps()
	}
	var err error
	for _, h := range []struct {
		from *hdrhistogram.Histogram
		to   **lab.Latency
	}{
		{r.raw, &out.Raw},
		{r.firstByte, &out.FirstByte},
		{r.corrected, &out.Corrected},
		{r.sendLags, &out.SendLag},
		{r.failures, &out.Failures},
	} {
		if h.from == nil || h.from.TotalCount() == 0 {
			continue
		}
		if *h.to, err = summarize(h.from); err != nil {
			return *out, err
		}
	}
	if r.hitWriter != nil {
		out.KeptHits, err = r.hitWriter.finish()
	}
	return *out, err
}

// summarize is what a histogram of nanoseconds says, in milliseconds.
func summarize(h *hdrhistogram.Histogram) (*lab.Latency, error) {
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
	const rounding = 1e-6 // a thousandth of 10 000 is a little less than ten
	if float64(h.TotalCount())*(100-percentile)/100 < minBeyondQuantile-rounding {
		return nil
	}
	v := milliseconds(h.ValueAtPercentile(percentile))
	return &v
}

func milliseconds(ns int64) float64 { return float64(ns) / float64(time.Millisecond) }
