package serve

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// waiting answers every request after a delay, as many at once as there are.
type waiting struct{ delay time.Duration }

func (s waiting) serve(ctx context.Context, l *net.TCPListener) error {
	return serveRequests(ctx, l, func(w io.Writer, _ *http.Request) error {
		sleep(ctx, s.delay)
		_, err := w.Write(plainAnswer)
		return err
	})
}

// stalling answers at once, but nothing at all while it stalls: requests that
// come meanwhile are answered at the stall's end.
type stalling struct {
	period, stall time.Duration

	mu       sync.RWMutex // held for writing by a stall
	once     sync.Once
	stallsMu sync.Mutex // of stalls
	stalls   []Stall
}

func newStalling(period, stall time.Duration) *stalling {
	return &stalling{period: period, stall: stall}
}

func (s *stalling) serve(ctx context.Context, l *net.TCPListener) error {
	return serveRequests(ctx, l, func(w io.Writer, r *http.Request) error {
		if r.URL.Path == StallsPath {
			s.stallsMu.Lock()
			defer s.stallsMu.Unlock()
			return writeJSON(w, s.stalls)
		}
		s.once.Do(func() { go s.stallPeriodically(ctx) })
		s.mu.RLock()
		defer s.mu.RUnlock()
		_, err := w.Write(plainAnswer)
		return err
	})
}

func (s *stalling) stallPeriodically(ctx context.Context) {
	for ctx.Err() == nil {
		sleep(ctx, s.period-s.stall)
		s.mu.Lock()
		from := time.Now()
		sleep(ctx, s.stall)
		s.stallsMu.Lock()
		s.stalls = append(s.stalls, Stall{From: from, To: time.Now()})
		s.stallsMu.Unlock()
		s.mu.Unlock()
	}
}
