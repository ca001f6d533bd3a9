package serve

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// However late timers are, clients that queue get what the law says: to the
// nanosecond to which a service time is rounded.
func TestVirtualCoresFollowTheLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cores := rapid.IntRange(1, 16).Draw(t, "cores")
		sigma := rapid.Float64Range(0, 0.3).Draw(t, "sigma")
		kappa := rapid.Float64Range(0, 0.01).Draw(t, "kappa")
		late := rapid.SliceOfN(rapid.IntRange(0, int(time.Millisecond)), 1, 50).Draw(t, "late")
		const service = 20 * time.Millisecond
		s := newVirtual(cores, service, sigma, kappa)
		began := time.Unix(1_000_000, 0)
		next := make([]time.Time, 4*cores) // when each client asks again
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
			t.Errorf("%d cores serve %v requests per second, by the law %v", cores, got, law)
		}
	})
}

// A request that finds a core free does not wait for what others have left behind.
func TestVirtualCoresServeAtOnceWhenFree(t *testing.T) {
	s := newVirtual(2, time.Second, 0, 0)
	began := time.Unix(1_000_000, 0)
	for i, c := range []struct{ asks, done time.Duration }{
		{0, time.Second}, {0, time.Second}, {time.Second / 2, 2 * time.Second}, {5 * time.Second, 6 * time.Second},
	} {
		if done := s.assign(began.Add(c.asks)).Sub(began); done != c.done {
			t.Errorf("request %d at %v is done at %v instead of %v", i, c.asks, done, c.done)
		}
	}
}
