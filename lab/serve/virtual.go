package serve

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// virtual has virtual cores that use no CPU. Each serves one request at a time, and a
// request waits for the core that is free first. The more cores there are, the longer a
// request takes, so that N busy cores serve
//
//	X(N) = N / (service × (1 + σ(N-1) + κN(N-1)))
//
// requests per second: the Universal Scalability Law (Gunther, "Guerrilla Capacity
// Planning", 2007), with contention σ and coherency κ.
type virtual struct {
	service time.Duration // of one request

	mu     sync.Mutex
	freeAt []time.Time // by core: when it has finished all its requests
}

func newVirtual(cores int, service time.Duration, sigma, kappa float64) *virtual {
	n := float64(cores)
	slower := 1 + sigma*(n-1) + kappa*n*(n-1)
	return &virtual{service: time.Duration(float64(service) * slower), freeAt: make([]time.Time, cores)}
}

func (s *virtual) serve(ctx context.Context, l *net.TCPListener) error {
	return serveRequests(ctx, l, func(w io.Writer, _ *http.Request) error {
		sleep(ctx, time.Until(s.assign(time.Now())))
		_, err := w.Write(plainAnswer)
		return err
	})
}

// assign gives a request to the core that is free first and returns when it will be done.
// A waiting request starts at the planned end of the one before, so that a late timer
// does not delay later requests.
func (s *virtual) assign(now time.Time) (done time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := 0
	for i, at := range s.freeAt {
		if at.Before(s.freeAt[first]) {
			first = i
		}
	}
	begins := s.freeAt[first]
	if begins.Before(now) {
		begins = now
	}
	s.freeAt[first] = begins.Add(s.service)
	return s.freeAt[first]
}
