package serve

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// waiting answers every request after a delay, any number at once.
type waiting struct{ delay time.Duration }

func (s waiting) serve(ctx context.Context, l *net.TCPListener) error {
	return serveRequests(ctx, l, func(w io.Writer, _ *http.Request) error {
		sleep(ctx, s.delay)
		_, err := w.Write(plainAnswer)
		return err
	})
}

// stalling answers at once, except during stalls, when all answers wait for the end of the
// stall.
type stalling struct {
	period, stall time.Duration

	mu       sync.RWMutex // locked during a stall; read-locked by answers
	once     sync.Once
	stallsMu sync.Mutex // guards stalls
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

// stallPeriodically stalls at the end of each period until ctx ends.
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
