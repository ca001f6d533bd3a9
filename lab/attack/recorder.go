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
	significantDigits = 3                       // of every histogram
	maxLatency        = int64(10 * time.Minute) // largest latency that a histogram resolves
	minBeyondQuantile = 10                      // a quantile is reported if so many samples lie beyond it
	maxErrorReasons   = 8                       // distinct reasons that are kept; the rest count as "other"
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, maxLatency, significantDigits)
}

// recordDuration adds d to a histogram. A value out of range counts as the nearest bound, so that
// no sample is lost.
func recordDuration(h *hdrhistogram.Histogram, d time.Duration) {
	v := min(max(int64(d), 0), maxLatency)
	if err := h.RecordValue(v); err != nil {
		panic(fmt.Sprintf("attack: the histogram refused %d ns, which is in its range: %v", v, err))
	}
}

// recorder turns Vegeta's results into an AttackResult as they come. Its memory grows with the
// seconds of the attack, not with the hits. Times count from the transport's epoch.
type recorder struct {
	targets     []lab.Target
	epoch       time.Time
	due         func(seq uint64) time.Duration // when a hit was due; nil in a closed loop
	result      lab.AttackResult
	warmUpEnd   string
	hitWriter   *hitWriter   // nil unless hits are kept
	completions *completions // nil unless the attack is a ladder

	deadline time.Duration // 0 if there is none
	duration time.Duration // for which the attack may send

	began, ended                        time.Duration
	raw, corrected, sendLags, firstByte *hdrhistogram.Histogram // of successes; send lags of all hits
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
		failures:        newHistogram(),
		deadline:        a.Deadline,
		duration:        maxSendTime(a),
	}
	if a.KeepHits {
		r.hitWriter = newHitWriter(hits)
	}
	return r
}

// useSchedule makes the recorder correct latencies by a schedule of intended hits. due returns when
// a hit was due.
func (r *recorder) useSchedule(due func(seq uint64) time.Duration, intended int64) {
	r.due, r.result.Intended = due, intended
	r.corrected, r.sendLags = newHistogram(), newHistogram()
}

// countLadder makes the recorder count successes in c, for the throughput of a ladder.
func (r *recorder) countLadder(c *completions) {
	r.completions = c
	r.result.ClientRampUp = c.allArrived - c.firstArrival
}

// add records one hit and returns when it ended, after the start of the first one.
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
	charged := latency // in an open loop, from the intended send time
	if r.due != nil {
		due := r.due(hit.Seq)
		charged = rep.endAt - due
		recordDuration(r.sendLags, rep.sent-due)
	}
	bucket := r.bucketFor(rep.endAt)
	r.bucketAt(rep.sent).Sent++
	failure := stripURL(hit.Error)
	if answered {
		failure = r.failureReason(rep)
	}
	if r.completions != nil {
		r.completions.add(rep.sent, rep.endAt, failure == "")
	}
	if !r.targets[rep.target].Request.Background {
		r.recordLatencies(rep, latency, charged, failure == "")
	}
	if failure == "" {
		r.result.Succeeded++
		bucket.Succeeded++
		if charged <= r.deadline {
			r.result.WithinDeadline++
		}
	} else {
		r.result.Failed++
		bucket.Failed++
		r.countError(failure)
	}
	if r.hitWriter != nil {
		r.hitWriter.add(lab.Hit{
			Seq: hit.Seq, SentAt: r.epoch.Add(rep.sent), Latency: latency, FirstByte: max(rep.firstByteAt-rep.sent, 0),
			TargetIndex: rep.target, Status: rep.status, BytesIn: rep.bytesIn, Error: failure,
		})
	}
	return rep.endAt - r.began
}

// countsUntil returns until when a hit extends the attack. A hit without an answer extends it only
// while hits may be sent: afterwards the generator waits in vain, up to the timeout, and nothing
// could have been served.
func (r *recorder) countsUntil(end time.Duration, answered bool) time.Duration {
	if answered {
		return end
	}
	return min(end, r.began+r.duration)
}

// recordLatencies records how long a hit took. Failures have their own histogram: an immediate
// error would make the server look fast, and a timeout would make it look slow.
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

// failureReason returns why an answered hit is a failure, or "" if it is a success. An answer that
// differs from its target's is an error of the server.
func (r *recorder) failureReason(rep exchangeReport) string {
	tg := &r.targets[rep.target]
	switch request := &tg.Request; {
	case rep.status != tg.Status:
		return fmt.Sprintf("status %d instead of %d", rep.status, tg.Status)
	case rep.headerDiffers:
		return fmt.Sprintf("%s %s: the header is not what the script expects", request.Method, request.Path)
	case rep.bodyDiffers && request.Answer != nil:
		return fmt.Sprintf("%s %s: the body is not what the script expects", request.Method, request.Path)
	case rep.bodyDiffers:
		return fmt.Sprintf("%s %s: body differs from the contract's", request.Method, request.Path)
	}
	return ""
}

// stripURL removes the prefix of http.Client from an error's message. It names the target as only
// the transport knows it.
func stripURL(message string) string {
	if _, after, ok := strings.Cut(message, `": `); ok {
		return after
	}
	return message
}

// countError counts a failure by its reason.
func (r *recorder) countError(reason string) {
	if _, seen := r.result.Errors[reason]; !seen && len(r.result.Errors) >= maxErrorReasons {
		reason = "other"
	}
	r.result.Errors[reason]++
}

// setTransportCounts stores what the transport counted.
func (r *recorder) setTransportCounts(bytesIn, bytesOut, dialled int64) {
	r.result.BytesIn, r.result.BytesOut, r.result.ConnectionsOpened = bytesIn, bytesOut, dialled
}

// bucketFor returns the bucket of an answer that came at t. Results come in the order of their
// ends, except for microseconds: the latencies of a bucket are complete when the next one opens,
// and a late result counts in the newest bucket.
func (r *recorder) bucketFor(t time.Duration) *lab.Bucket {
	second := max(int((t-r.began)/time.Second), len(r.result.Buckets)-1, 0)
	for len(r.result.Buckets) <= second {
		r.closeBucket()
		r.result.Buckets = append(r.result.Buckets, lab.Bucket{Second: len(r.result.Buckets)})
	}
	return &r.result.Buckets[second]
}

// bucketAt returns the existing bucket of t, which must not be after the newest one.
func (r *recorder) bucketAt(t time.Duration) *lab.Bucket {
	second := int((t - r.began) / time.Second)
	return &r.result.Buckets[min(max(second, 0), len(r.result.Buckets)-1)]
}

// closeBucket computes the percentiles of the newest bucket.
func (r *recorder) closeBucket() {
	if len(r.result.Buckets) == 0 {
		return
	}
	last := &r.result.Buckets[len(r.result.Buckets)-1]
	last.P50MS, last.P99MS = quantile(r.secondHistogram, 50), quantile(r.secondHistogram, 99)
	r.secondHistogram.Reset()
}

// finish completes the result and returns it. add must not be called afterwards.
func (r *recorder) finish() (lab.AttackResult, error) {
	r.closeBucket()
	out := &r.result
	out.StartedAt = r.epoch.Add(r.began).UTC()
	out.Elapsed = r.ended - r.began
	out.WarmUpEnd = r.warmUpEnd
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

// summarize returns the summary in milliseconds of a histogram of nanoseconds.
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

// quantile returns a percentile in milliseconds, or nil unless minBeyondQuantile samples lie beyond
// it.
func quantile(h *hdrhistogram.Histogram, percentile float64) *float64 {
	const rounding = 1e-6 // a thousandth of 10 000 is a little less than ten
	if float64(h.TotalCount())*(100-percentile)/100 < minBeyondQuantile-rounding {
		return nil
	}
	v := milliseconds(h.ValueAtPercentile(percentile))
	return &v
}

func milliseconds(ns int64) float64 { return float64(ns) / float64(time.Millisecond) }
