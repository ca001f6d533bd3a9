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
	return connections(ctx, l, func(w io.Writer, _ *http.Request) error {
		sleep(ctx, s.delay)
		_, err := w.Write(plain)
		return err
	})
}

// stalling answers at once, but nothing at all while it stalls: requests that
// come meanwhile are answered at the stall's end.
type stalling struct {
	period, stall time.Duration

	mu     sync.RWMutex // held for writing by a stall
	once   sync.Once
	told   sync.Mutex // of stalls
	stalls []Stall
}

func newStalling(period, stall time.Duration) *stalling {
	return &stalling{period: period, stall: stall}
}

func (s *stalling) serve(ctx context.Context, l *net.TCPListener) error {
	return connections(ctx, l, func(w io.Writer, r *http.Request) error {
		if r.URL.Path == StallsPath {
			s.told.Lock()
			defer s.told.Unlock()
			return tell(w, s.stalls)
		}
		s.once.Do(func() { go s.stallAgain(ctx) })
		s.mu.RLock()
		defer s.mu.RUnlock()
		_, err := w.Write(plain)
		return err
	})
}

func (s *stalling) stallAgain(ctx context.Context) {
	for ctx.Err() == nil {
		sleep(ctx, s.period-s.stall)
		s.mu.Lock()
		from := time.Now()
		sleep(ctx, s.stall)
		s.told.Lock()
		s.stalls = append(s.stalls, Stall{From: from, To: time.Now()})
		s.told.Unlock()
		s.mu.Unlock()
	}
}
