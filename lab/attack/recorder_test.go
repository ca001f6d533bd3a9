package attack

import (
	"bytes"
	"math"
	"slices"
	"testing"
	"time"

	"runtimelab/lab"
)

// The cost of a stalled server follows from the schedule: a hit that is due during the stall waits
// for its end, and then for the hits before it. The recorder must report that, however many workers
// hide it.
func TestCorrectedQuantilesAreThoseOfTheSchedule(t *testing.T) {
	const (
		rate    = 2000.0
		lasts   = 10 * time.Second
		service = 200 * time.Microsecond
		from    = 4 * time.Second
		to      = 5 * time.Second
	)
	for _, workers := range []int{8, 128, 1024} {
		a := attackOn("http://127.0.0.1:1", lab.Steady)
		a.Rate, a.Arrivals, a.Duration = constantRate(rate), lab.Poisson, lasts
		s := newSchedule(a)
		var dues, exact []time.Duration
		for due := s.next(); due < lasts; due = s.next() {
			dues = append(dues, due)
		}
		rec := newRecorder(a, time.Now(), nil)
		freeAt := make([]time.Duration, workers) // by worker
		for k, due := range dues {
			w := k % workers
			sent := max(due, freeAt[w])
			end := max(sent+service, sent)
			if sent < to && end > from {
				end = to + service
			}
			freeAt[w] = end
			exact = append(exact, end-due)
			rec.add(&exchange{
				seq: uint64(k), answered: true, intended: due, sent: sent, firstByte: end, end: end,
			})
		}
		got, err := rec.finish()
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(exact)
		for _, q := range []struct {
			name string
			p    float64
			got  *float64
		}{
			{"p50", 0.5, got.Corrected.P50MS},
			{"p90", 0.9, got.Corrected.P90MS},
			{"p99", 0.99, got.Corrected.P99MS},
			{"p99.9", 0.999, got.Corrected.P999MS},
		} {
			rank := int(math.Ceil(q.p * float64(len(exact))))
			// Definitions of a quantile differ by a rank unless p times n is an integer; three significant
			// digits are a thousandth.
			low, high := milliseconds(int64(exact[rank-2])), milliseconds(int64(exact[rank]))
			if *q.got < low*0.999 || *q.got > high*1.001 {
				t.Errorf("%d workers: corrected %s %.3f ms, exactly %.3f to %.3f ms", workers, q.name, *q.got, low, high)
			}
		}
	}
}

// An unanswered hit does not extend an attack to its timeout. If the last hits are all unanswered,
// the attack still lasts until the end of sending.
func TestUnansweredHitsDoNotExtendTheAttack(t *testing.T) {
	for name, tt := range map[string]struct {
		lastAnswer, waited, want time.Duration
	}{
		"one of many":      {2100 * time.Millisecond, 10 * time.Second, 2100 * time.Millisecond},
		"a server hangs":   {500 * time.Millisecond, 10 * time.Second, 2 * time.Second},
		"refused at once":  {500 * time.Millisecond, 900 * time.Millisecond, 900 * time.Millisecond},
		"answered as late": {12 * time.Second, 10 * time.Second, 12 * time.Second},
	} {
		a := attackOn("http://127.0.0.1:1", lab.Peak)
		a.Duration = 2 * time.Second
		rec := newRecorder(a, time.Now(), nil)
		rec.add(&exchange{answered: true, end: tt.lastAnswer})
		rec.add(&exchange{end: tt.waited, failure: "timeout"})
		if got, err := finish([]*recorder{rec}); err != nil || got.Elapsed != tt.want {
			t.Errorf("%s: %v, want %v (error %v)", name, got.Elapsed, tt.want, err)
		}
	}
}

func TestAQuantileNeedsTenSamplesBeyondIt(t *testing.T) {
	for _, tt := range []struct {
		n          int
		percentile float64
		reported   bool
	}{
		{19, 50, false},
		{20, 50, true},
		{99, 90, false},
		{100, 90, true},
		{999, 99, false},
		{1000, 99, true},
		{9999, 99.9, false},
		{10000, 99.9, true},
	} {
		h := newHistogram()
		for range tt.n {
			recordDuration(h, time.Millisecond)
		}
		if got := quantile(h, tt.percentile); (got != nil) != tt.reported {
			t.Errorf("p%v of %d: %v", tt.percentile, tt.n, got)
		}
	}
}

func TestExchangeReportRoundTrips(t *testing.T) {
	var encoded [reportSize]byte
	for differs := range 4 {
		want := exchangeReport{
			target: 3, sent: 1, firstByteAt: 2, endAt: math.MaxInt64, answer: answer{
				status: 503, bytesIn: 1 << 40, bodyDiffers: differs&1 != 0, headerDiffers: differs&2 != 0,
			},
		}
		if got, ok := decodeReport(want.encode(encoded[:])); !ok || got != want {
			t.Errorf("%+v became %+v", want, got)
		}
	}
	if _, ok := decodeReport([]byte("a body")); ok {
		t.Error("a body that is no report was decoded as one")
	}
}

func TestHitsAreKeptWholeAndInSequence(t *testing.T) {
	withEachGenerator(t, testHitsAreKeptWholeAndInSequence)
}

func testHitsAreKeptWholeAndInSequence(t *testing.T, g lab.Generator) {
	a := attackBy(g, startServer(t, hello), lab.Steady)
	a.Rate, a.KeepHits = constantRate(8000), true // more than a chunk
	var spool bytes.Buffer
	got, err := Run(t.Context(), a, &spool, nil)
	if err != nil {
		t.Fatal(err)
	}
	var hits []lab.Hit
	if err := ReadHits(&spool, func(chunk []lab.Hit) error {
		hits = append(hits, chunk...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if int64(len(hits)) != got.Sent || got.KeptHits != got.Sent {
		t.Fatalf("%d hits read, %d kept, %d sent", len(hits), got.KeptHits, got.Sent)
	}
	slices.SortFunc(hits, func(x, y lab.Hit) int { return int(x.Seq) - int(y.Seq) })
	for i, h := range hits {
		// Several loops number their hits in turn. With Poisson arrivals they send unequal numbers of hits.
		if g == lab.Vegeta && h.Seq != uint64(i) || i > 0 && h.Seq == hits[i-1].Seq {
			t.Fatalf("hit %d has sequence number %d", i, h.Seq)
		}
		if h.Status != 200 || h.BytesIn != 5 || h.Error != "" || h.Latency <= 0 || h.FirstByte > h.Latency ||
			h.SentAt.Before(got.StartedAt.Truncate(0)) {
			t.Fatalf("hit %+v of an attack from %v", h, got.StartedAt)
		}
	}
}

func TestRunRefusesToKeepHitsWithoutAWriter(t *testing.T) {
	a := attackOn("http://127.0.0.1:1", lab.Peak)
	a.KeepHits = true
	if _, err := Run(t.Context(), a, nil, nil); err == nil {
		t.Error("an attack without a writer kept its hits")
	}
}

func TestReadHitsReportsATruncatedChunk(t *testing.T) {
	var spool bytes.Buffer
	w := newHitWriter(&spool)
	w.add(lab.Hit{Seq: 1})
	if _, err := w.finish(); err != nil {
		t.Fatal(err)
	}
	truncated := spool.Bytes()[:spool.Len()-3]
	if err := ReadHits(bytes.NewReader(truncated), func([]lab.Hit) error { return nil }); err == nil {
		t.Error("a truncated spool was read without an error")
	}
}

// Background requests count as load, but their latency is not recorded.
func TestBackgroundRequestsAreNotTimed(t *testing.T) {
	a := attackOn("http://127.0.0.1:1", lab.Steady)
	a.Rate = constantRate(100)
	a.Targets = append(a.Targets, a.Targets[0])
	a.Targets[1].Request.Background = true
	rec := newRecorder(a, time.Now(), nil)
	rec.add(&exchange{answered: true, end: 10 * time.Millisecond})
	rec.add(&exchange{seq: 1, target: 1, answered: true, end: time.Second})
	rec.add(&exchange{seq: 2, target: 1, answered: true, end: time.Second, failure: "status 500 instead of 200"})
	got, err := finish([]*recorder{rec})
	if err != nil {
		t.Fatal(err)
	}
	if got.Sent != 3 || got.Succeeded != 2 || got.Failed != 1 {
		t.Errorf("sent %d, succeeded %d, failed %d", got.Sent, got.Succeeded, got.Failed)
	}
	for name, l := range map[string]*lab.Latency{
		"raw": got.Raw, "corrected": got.Corrected, "first byte": got.FirstByte,
	} {
		if l.Count != 1 || l.MaxMS > 11 {
			t.Errorf("%s: %d latencies, maximum %v ms; want the one of 10 ms", name, l.Count, l.MaxMS)
		}
	}
}

// A hit is within its deadline if it succeeds, counted from the intended send.
func TestTheDeadlineCountsFromTheIntendedSend(t *testing.T) {
	a := attackOn("http://127.0.0.1:1", lab.Steady)
	a.Rate, a.Deadline = constantRate(100), 50*time.Millisecond
	rec := newRecorder(a, time.Now(), nil)
	rec.add(&exchange{answered: true, sent: 30 * time.Millisecond, end: 50 * time.Millisecond})
	rec.add(&exchange{
		answered: true, intended: 10 * time.Millisecond, sent: 30 * time.Millisecond, end: 60 * time.Millisecond,
	})
	rec.add(&exchange{answered: true, sent: 40 * time.Millisecond, end: 51 * time.Millisecond})
	rec.add(&exchange{answered: true, end: time.Millisecond, failure: "status 500 instead of 200"})
	got, err := finish([]*recorder{rec})
	if err != nil {
		t.Fatal(err)
	}
	if got.WithinDeadline != 2 || got.Succeeded != 3 {
		t.Errorf("%d within the deadline of %d that succeeded, want 2 of 3", got.WithinDeadline, got.Succeeded)
	}
}
