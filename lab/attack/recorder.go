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
// memory does not grow with the number of hits, only with seconds. Times are
// counted from the transport's epoch.
type recorder struct {
	targets []lab.Target
	epoch   time.Time
	due     func(seq uint64) time.Duration // nil in a closed loop, which has no schedule
	out     lab.AttackResult
	warmEnd string
	keeper  *keeper      // nil unless hits are kept
	ladder  *completions // nil in any other attack

	deadline time.Duration // 0: there is none
	duration time.Duration // for which the attack sends at the most

	began, ended                time.Duration
	raw, corrected, lags, first *hdrhistogram.Histogram // of successes, but for the send lag
	second                      *hdrhistogram.Histogram // of successes in the newest bucket
	failures                    *hdrhistogram.Histogram // of hits that failed
}

func newRecorder(a lab.Attack, epoch time.Time, hits io.Writer) *recorder {
	r := &recorder{
		targets: a.Targets,
		epoch:   epoch,
		out:     lab.AttackResult{Errors: make(map[string]int)},
		raw:     newHistogram(),
		first:   newHistogram(),
		second:  newHistogram(),

		failures: newHistogram(),

		deadline: a.Deadline,
		duration: sends(a),
	}
	if a.KeepHits {
		r.keeper = newKeeper(hits)
	}
	return r
}

// follow has latencies corrected by a schedule that calls for so many hits.
func (r *recorder) follow(due func(seq uint64) time.Duration, intended int64) {
	r.due, r.out.Intended = due, intended
	r.corrected, r.lags = newHistogram(), newHistogram()
}

// climb has successes counted as those of a ladder.
func (r *recorder) climb(c *completions) {
	r.ladder = c
	r.out.Settled = c.complete - c.began
}

// add records one hit and returns when it ended, after the first one's start.
func (r *recorder) add(hit *vegeta.Result) time.Duration {
	rep, answered := decodeReport(hit.Body)
	if !answered {
		sent := hit.Timestamp.Sub(r.epoch)
		rep = report{target: targetIndex(hit.URL), sent: sent, end: sent + hit.Latency}
	}
	if r.out.Sent == 0 || rep.sent < r.began {
		r.began = rep.sent
	}
	r.ended = max(r.ended, r.chargedUntil(rep.end, answered))
	r.out.Sent++

	latency := rep.end - rep.sent
	charged := latency // what the server is charged with
	if r.due != nil {
		due := r.due(hit.Seq)
		charged = rep.end - due
		record(r.lags, rep.sent-due)
	}
	bucket := r.bucketFor(rep.end)
	r.bucketAt(rep.sent).Sent++
	fault := withoutURL(hit.Error)
	if answered {
		fault = r.fault(rep)
	}
	if r.ladder != nil {
		r.ladder.add(rep.sent, rep.end, fault == "")
	}
	if !r.targets[rep.target].Request.Background {
		r.time(rep, latency, charged, fault == "")
	}
	if fault == "" {
		r.out.Succeeded++
		bucket.Succeeded++
		if charged <= r.deadline {
			r.out.InTime++
		}
	} else {
		r.out.Failed++
		bucket.Failed++
		r.blame(fault)
	}
	if r.keeper != nil {
		r.keeper.add(lab.Hit{
			Seq: hit.Seq, At: r.epoch.Add(rep.sent), Latency: latency, FirstByte: max(rep.first-rep.sent, 0),
			Target: rep.target, Status: rep.status, BytesIn: rep.bytesIn, Error: fault,
		})
	}
	return rep.end - r.began
}

// chargedUntil is until when a hit keeps the attack going. One that got no answer
// does so while others are sent: the time that the generator waited for it in vain
// afterwards, up to its timeout, is none in which anything could have been served.
func (r *recorder) chargedUntil(end time.Duration, answered bool) time.Duration {
	if answered {
		return end
	}
	return min(end, r.began+r.duration)
}

// time records how long a hit took. Failures are counted apart: an error that
// comes at once would make the server look fast, and a timeout slow.
func (r *recorder) time(rep report, latency, charged time.Duration, succeeded bool) {
	if !succeeded {
		record(r.failures, charged)
		return
	}
	record(r.raw, latency)
	record(r.first, rep.first-rep.sent)
	if r.due != nil {
		record(r.corrected, charged)
	}
	record(r.second, charged)
}

// fault says why an answered hit is not a success; empty when it is one. An
// answer other than its target's is an error of the server.
func (r *recorder) fault(rep report) string {
	switch {
	case rep.status != r.targets[rep.target].Status:
		return fmt.Sprintf("status %d instead of %d", rep.status, r.targets[rep.target].Status)
	case rep.differs:
		request := r.targets[rep.target].Request
		return fmt.Sprintf("%s %s: body differs from the contract's", request.Method, request.Path)
	}
	return ""
}

// withoutURL is what went wrong without http.Client's words before it, which
// name the target as the transport knows it.
func withoutURL(message string) string {
	if _, after, ok := strings.Cut(message, `": `); ok {
		return after
	}
	return message
}

func (r *recorder) blame(fault string) {
	if _, seen := r.out.Errors[fault]; !seen && len(r.out.Errors) >= errorReasons {
		fault = "other"
	}
	r.out.Errors[fault]++
}

// count takes what the transport counted.
func (r *recorder) count(bytesIn, bytesOut, dialled int64) {
	r.out.BytesIn, r.out.BytesOut, r.out.Dialled = bytesIn, bytesOut, dialled
}

// bucketFor is the bucket in which an answer that came at t counts. Results
// come in the order of their ends but for microseconds, so that a bucket's
// latencies are complete when the next one opens; a straggler counts in the
// newest bucket rather than not at all.
func (r *recorder) bucketFor(t time.Duration) *lab.Bucket {
	second := max(int((t-r.began)/time.Second), len(r.out.Buckets)-1, 0)
	for len(r.out.Buckets) <= second {
		r.closeBucket()
		r.out.Buckets = append(r.out.Buckets, lab.Bucket{Second: len(r.out.Buckets)})
	}
	return &r.out.Buckets[second]
}

// bucketAt is the existing bucket of a moment that is not after the newest one.
func (r *recorder) bucketAt(t time.Duration) *lab.Bucket {
	second := int((t - r.began) / time.Second)
	return &r.out.Buckets[min(max(second, 0), len(r.out.Buckets)-1)]
}

func (r *recorder) closeBucket() {
	if len(r.out.Buckets) == 0 {
		return
	}
	last := &r.out.Buckets[len(r.out.Buckets)-1]
	last.P50MS, last.P99MS = quantile(r.second, 50), quantile(r.second, 99)
	r.second.Reset()
}

// result closes the record.
func (r *recorder) result() (lab.AttackResult, error) {
	r.closeBucket()
	out := &r.out
	out.StartedAt = r.epoch.Add(r.began).UTC()
	out.Elapsed = r.ended - r.began
	out.WarmEnd = r.warmEnd
	if r.due == nil {
		out.Intended = out.Sent
	}
	if r.ladder != nil {
		out.LadderRPS = r.ladder.rps()
	}
	var err error
	for _, h := range []struct {
		from *hdrhistogram.Histogram
		to   **lab.Latency
	}{
		{r.raw, &out.Raw}, {r.first, &out.FirstByte}, {r.corrected, &out.Corrected}, {r.lags, &out.SendLag},
		{r.failures, &out.Failures},
	} {
		if h.from == nil || h.from.TotalCount() == 0 {
			continue
		}
		if *h.to, err = summary(h.from); err != nil {
			return *out, err
		}
	}
	if r.keeper != nil {
		out.KeptHits, err = r.keeper.end()
	}
	return *out, err
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
	const rounding = 1e-6 // a thousandth of 10 000 is a little less than ten
	if float64(h.TotalCount())*(100-percentile)/100 < beyond-rounding {
		return nil
	}
	v := milliseconds(h.ValueAtPercentile(percentile))
	return &v
}

func milliseconds(ns int64) float64 { return float64(ns) / float64(time.Millisecond) }
