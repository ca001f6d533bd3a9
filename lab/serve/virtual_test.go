package serve

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Late timers must not lower the throughput of clients that queue. The only deviation is
// the rounding of service times to nanoseconds.
func TestVirtualCoresFollowTheLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cores := rapid.IntRange(1, 16).Draw(t, "cores")
		sigma := rapid.Float64Range(0, 0.3).Draw(t, "sigma")
		kappa := rapid.Float64Range(0, 0.01).Draw(t, "kappa")
		late := rapid.SliceOfN(rapid.IntRange(0, int(time.Millisecond)), 1, 50).Draw(t, "late")
		const service = 20 * time.Millisecond
		s := newVirtual(cores, service, sigma, kappa)
		began := time.Unix(1_000_000, 0)
		next := make([]time.Time, 4*cores) // by client: its next request
		for i := range next {
			next[i] = began
		}
		const rounds = 50
		var last time.Time
		for i := range rounds * cores {
			slices.SortFunc(next, time.Time.Compare)
			done := s.assign(next[0])
			if done.After(last) {
				last = done
			}
			next[0] = done.Add(time.Duration(late[i%len(late)]))
		}
		n := float64(cores)
		law := n / (service.Seconds() * (1 + sigma*(n-1) + kappa*n*(n-1)))
		got := rounds * n / last.Sub(began).Seconds()
		if math.Abs(got/law-1) > 1e-6 {
			t.Errorf("%d cores serve %v requests per second, want %v by the law", cores, got, law)
		}
	})
}

func TestAFreeVirtualCoreServesAtOnce(t *testing.T) {
	s := newVirtual(2, time.Second, 0, 0)
	began := time.Unix(1_000_000, 0)
	for i, c := range []struct{ arrives, done time.Duration }{
		{0, time.Second}, {0, time.Second}, {time.Second / 2, 2 * time.Second}, {5 * time.Second, 6 * time.Second},
	} {
		if done := s.assign(began.Add(c.arrives)).Sub(began); done != c.done {
			t.Errorf("request %d at %v is done at %v instead of %v", i, c.arrives, done, c.done)
		}
	}
}
