package attack

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

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

// histograms are those of an attack, or of a part of it.
type histograms struct {
	raw, firstByte *hdrhistogram.Histogram // of successes
	failures       *hdrhistogram.Histogram // of hits that failed
	// Of an open loop only: corrected latencies of successes, and the send lags of all hits.
	corrected, sendLags *hdrhistogram.Histogram
}

func newHistograms(openLoop bool) histograms {
	h := histograms{raw: newHistogram(), firstByte: newHistogram(), failures: newHistogram()}
	if openLoop {
		h.corrected, h.sendLags = newHistogram(), newHistogram()
	}
	return h
}

// merge adds the samples of other histograms.
func (h *histograms) merge(from *histograms) {
	h.raw.Merge(from.raw)
	h.firstByte.Merge(from.firstByte)
	h.failures.Merge(from.failures)
	if h.corrected != nil {
		h.corrected.Merge(from.corrected)
		h.sendLags.Merge(from.sendLags)
	}
}

// recorder turns exchanges into an AttackResult as they come. Its memory grows with the seconds of the
// attack, not with the hits. Times count from the epoch. It has no locks: an attack of several loops
// has a recorder for each, which are merged in the end.
type recorder struct {
	targets     []lab.Target
	epoch       time.Time
	result      lab.AttackResult
	warmUpEnd   string
	hitWriter   *hitWriter   // nil unless hits are kept
	completions *completions // nil unless the attack is a ladder

	openLoop bool
	deadline time.Duration // 0 if there is none
	duration time.Duration // for which the attack may send

	// seconds begin at origin. It is the first send if it is not known before.
	origin       time.Duration
	originKnown  bool
	began, ended time.Duration
	histograms
	second secondLatencies
}

func newRecorder(a lab.Attack, epoch time.Time, hits io.Writer) *recorder {
	r := &recorder{
		targets:    a.Targets,
		epoch:      epoch,
		result:     lab.AttackResult{Errors: make(map[string]int)},
		openLoop:   a.Kind.IsOpenLoop(),
		deadline:   a.Deadline,
		duration:   maxSendTime(a),
		histograms: newHistograms(a.Kind.IsOpenLoop()),
		second:     secondLatencies{newest: newHistogram(), timeline: newTimeline(1)},
	}
	if a.KeepHits {
		r.hitWriter = newHitWriter(hits)
	}
	return r
}

// newRecorders returns a recorder for each of n loops.
func newRecorders(a lab.Attack, epoch time.Time, hits io.Writer, n int) []*recorder {
	all := make([]*recorder, n)
	line := newTimeline(n)
	for i := range all {
		r := newRecorder(a, epoch, hits)
		r.second.timeline = line
		if r.hitWriter != nil && i > 0 {
			r.hitWriter = newHitWriterTo(all[0].hitWriter.stream)
		}
		all[i] = r
	}
	return all
}

// beginSecondsAt sets the origin of the seconds, which several recorders have in common.
func (r *recorder) beginSecondsAt(origin time.Duration) { r.origin, r.originKnown = origin, true }

// countLadder makes the recorder count successes in c, for the throughput of a ladder.
func (r *recorder) countLadder(c *completions) {
	r.completions = c
	r.result.ClientRampUp = c.allArrived - c.firstArrival
}

// add records one hit and returns when it ended, after the origin.
func (r *recorder) add(x *exchange) time.Duration {
	if r.result.Sent == 0 || x.sent < r.began {
		r.began = x.sent
		if !r.originKnown {
			r.origin = x.sent
		}
	}
	r.ended = max(r.ended, r.countsUntil(x))
	r.result.Sent++

	charged := x.end - x.intended // in an open loop, from the intended send time
	if r.openLoop {
		recordDuration(r.sendLags, x.sent-x.intended)
	}
	bucket := r.bucketFor(x.end)
	r.bucketAt(x.sent).Sent++
	succeeded := x.failure == ""
	if r.completions != nil {
		r.completions.add(x.sent, x.end, succeeded)
	}
	if !r.targets[x.target].Request.Background {
		r.recordLatencies(x, charged, succeeded)
	}
	if succeeded {
		r.result.Succeeded++
		bucket.Succeeded++
		if charged <= r.deadline {
			r.result.WithinDeadline++
		}
	} else {
		r.result.Failed++
		bucket.Failed++
		r.countErrors(x.failure, 1)
	}
	if r.hitWriter != nil {
		r.hitWriter.add(lab.Hit{
			Seq: x.seq, SentAt: r.epoch.Add(x.sent), Latency: x.end - x.sent,
			FirstByte: max(x.firstByte-x.sent, 0), TargetIndex: x.target, Status: x.status,
			BytesIn: x.bytesIn, Error: x.failure,
		})
	}
	return x.end - r.origin
}

// countsUntil returns until when a hit extends the attack. A hit without an answer extends it only
// while hits may be sent: afterwards the generator waits in vain, up to the timeout, and nothing
// could have been served.
func (r *recorder) countsUntil(x *exchange) time.Duration {
	if x.answered {
		return x.end
	}
	return min(x.end, r.origin+r.duration)
}

// recordLatencies records how long a hit took. Failures have their own histogram: an immediate
// error would make the server look fast, and a timeout would make it look slow.
func (r *recorder) recordLatencies(x *exchange, charged time.Duration, succeeded bool) {
	if !succeeded {
		recordDuration(r.failures, charged)
		return
	}
	recordDuration(r.raw, x.end-x.sent)
	recordDuration(r.firstByte, x.firstByte-x.sent)
	if r.openLoop {
		recordDuration(r.corrected, charged)
	}
	recordDuration(r.second.newest, charged)
}

// countErrors counts n failures of one reason.
func (r *recorder) countErrors(reason string, n int) {
	if _, seen := r.result.Errors[reason]; !seen && len(r.result.Errors) >= maxErrorReasons {
		reason = "other"
	}
	r.result.Errors[reason] += n
}

// setTransportCounts stores what the transport counted.
func (r *recorder) setTransportCounts(bytesIn, bytesOut, dialled int64) {
	r.result.BytesIn, r.result.BytesOut, r.result.ConnectionsOpened = bytesIn, bytesOut, dialled
}

// bucketFor returns the bucket of an answer that came at t. Results come in the order of their
// ends, except for microseconds: the latencies of a bucket are complete when the next one opens,
// and a late result counts in the newest bucket.
func (r *recorder) bucketFor(t time.Duration) *lab.Bucket {
	second := max(int((t-r.origin)/time.Second), len(r.result.Buckets)-1, 0)
	for len(r.result.Buckets) <= second {
		r.closeBucket()
		r.result.Buckets = append(r.result.Buckets, lab.Bucket{Second: len(r.result.Buckets)})
	}
	return &r.result.Buckets[second]
}

// bucketAt returns the existing bucket of t, which must not be after the newest one.
func (r *recorder) bucketAt(t time.Duration) *lab.Bucket {
	second := int((t - r.origin) / time.Second)
	return &r.result.Buckets[min(max(second, 0), len(r.result.Buckets)-1)]
}

// closeBucket hands the latencies of the newest bucket to the timeline.
func (r *recorder) closeBucket() {
	if n := len(r.result.Buckets); n > 0 {
		r.second.close(n - 1)
	}
}

// merge adds what another recorder of the same attack recorded.
func (r *recorder) merge(from *recorder) {
	out, other := &r.result, &from.result
	if other.Sent > 0 {
		if out.Sent == 0 {
			r.began = from.began
		}
		r.began, r.ended = min(r.began, from.began), max(r.ended, from.ended)
	}
	out.Intended += other.Intended
	out.Sent += other.Sent
	out.Succeeded += other.Succeeded
	out.Failed += other.Failed
	out.WithinDeadline += other.WithinDeadline
	out.BytesIn += other.BytesIn
	out.BytesOut += other.BytesOut
	out.ConnectionsOpened += other.ConnectionsOpened
	out.IdlePolling += other.IdlePolling
	for _, reason := range slices.Sorted(maps.Keys(other.Errors)) {
		r.countErrors(reason, other.Errors[reason])
	}
	for i, b := range other.Buckets {
		if i == len(out.Buckets) {
			out.Buckets = append(out.Buckets, lab.Bucket{Second: i})
		}
		out.Buckets[i].Sent += b.Sent
		out.Buckets[i].Succeeded += b.Succeeded
		out.Buckets[i].Failed += b.Failed
	}
	r.histograms.merge(&from.histograms)
	if r.completions != nil {
		r.completions.merge(from.completions)
	}
	if from.hitWriter != nil {
		from.hitWriter.flush()
	}
}

// finish completes the result of an attack from its recorders and returns it. They must not be used
// afterwards.
func finish(all []*recorder) (lab.AttackResult, error) {
	for _, r := range all {
		r.closeBucket()
	}
	for _, r := range all[1:] {
		all[0].merge(r)
	}
	return all[0].finish()
}

// finish completes the result, after the newest bucket was closed.
func (r *recorder) finish() (lab.AttackResult, error) {
	out := &r.result
	r.second.timeline.fill(out.Buckets)
	out.StartedAt = r.epoch.Add(r.began).UTC()
	out.Elapsed = r.ended - r.began
	out.WarmUpEnd = r.warmUpEnd
	if !r.openLoop {
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
