package serve

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// virtual has cores that take no CPU: each serves one request at a time, and
// requests wait for the one that is free first. It takes longer for each the more
// cores there are, so that N of them that always have work serve
//
//	X(N) = N / (service × (1 + σ(N-1) + κN(N-1)))
//
// requests a second: the Universal Scalability Law (Gunther, "Guerrilla Capacity
// Planning", 2007), σ for what they wait for one another and κ for what it
// costs them to agree.
type virtual struct {
	service time.Duration // of one request

	mu     sync.Mutex
	freeAt []time.Time // when each core has done all that it was given
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

// assign gives a request that comes now to the core that is free first, and says
// when that will have served it. A core begins with a request that waited at the
// moment when it was to end the one before: an answer that a timer gives late
// delays none after it.
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
