package attack

import (
	"testing"
	"time"

	"runtimelab/lab"
)

// An immediate failure must not make a server look fast, and a late one must not make it look slow.
func TestLatenciesCountSuccessesOnly(t *testing.T) {
	const (
		hits = 2000
		slow = 10 * time.Millisecond  // a success
		fast = 100 * time.Microsecond // a status of 503
		hung = 2 * time.Second        // a hit without an answer
	)
	for name, kind := range map[string]lab.PhaseKind{"closed": lab.Peak, "open": lab.Steady} {
		a := attackOn("http://127.0.0.1:1", kind)
		a.Rate, a.Duration = constantRate(1000), time.Minute
		rec := newRecorder(a, time.Now(), nil)
		due := func(seq uint64) time.Duration { return time.Duration(seq/4) * 4 * time.Millisecond }
		for seq := uint64(0); seq < 2*hits; seq++ {
			sent := due(seq)
			switch {
			case seq%2 == 0:
				rec.add(&exchange{
					seq: seq, answered: true, intended: sent, sent: sent, firstByte: sent + slow/2, end: sent + slow,
				})
			case seq%8 == 1:
				rec.add(&exchange{seq: seq, intended: sent, sent: sent, end: sent + hung, failure: "timeout"})
			default:
				rec.add(&exchange{
					seq: seq, answered: true, intended: sent, sent: sent, firstByte: sent + fast, end: sent + fast,
					failure: "status 503 instead of 200",
				})
			}
		}
		got, err := finish([]*recorder{rec})
		if err != nil {
			t.Fatal(err)
		}
		for what, l := range map[string]*lab.Latency{
			"raw": got.Raw, "corrected": got.Corrected, "first byte": got.FirstByte,
		} {
			want := slow
			switch {
			case what == "corrected" && !kind.IsOpenLoop():
				continue
			case what == "first byte":
				want = slow / 2
			}
			if l.Count != hits {
				t.Errorf("%s, %s: counts %d hits, want the %d that succeeded", name, what, l.Count, hits)
			}
			for q, ms := range map[string]float64{
				"p50": *l.P50MS, "p90": *l.P90MS, "p99": *l.P99MS, "mean": l.MeanMS, "max": l.MaxMS,
			} {
				if want := milliseconds(int64(want)); ms < want*0.999 || ms > want*1.001 {
					t.Errorf("%s, %s %s: %.3f ms, want %.3f", name, what, q, ms, want)
				}
			}
		}
		if f := got.Failures; f == nil || f.Count != hits || f.MaxMS < milliseconds(int64(hung)) ||
			*f.P50MS > 0.11 {
			t.Errorf("%s: failures are %+v, want %d with a median of %v and a maximum of %v",
				name, f, hits, fast, hung)
		}
		for _, b := range got.Buckets {
			if b.P50MS != nil && (*b.P50MS < 9.99 || *b.P50MS > 10.01) {
				t.Errorf("%s: second %d has a median of %.3f ms", name, b.Second, *b.P50MS)
			}
		}
		if kind.IsOpenLoop() && got.SendLag.Count != 2*hits {
			t.Errorf("the send lag counts %d hits; it must count all, since it is the generator's", got.SendLag.Count)
		}
	}
}
