package attack

import (
	"math"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// openPacer is a vegeta.Pacer that follows a schedule and remembers when each
// hit that is under way was due. Times are counted from the epoch.
type openPacer struct {
	schedule *schedule
	duration time.Duration
	pending  time.Duration // when the next hit is due, after the attack's start
	epoch    time.Time
	waiting  waiting

	mu      sync.Mutex // Vegeta calls Pace from one goroutine, the recorder due from another
	started bool
	began   time.Duration            // the attack's start
	dues    map[uint64]time.Duration // by hit number, of hits under way only: one may take as long as it likes
}

func newOpenPacer(s *schedule, d time.Duration, epoch time.Time, w waiting) *openPacer {
	return &openPacer{schedule: s, duration: d, pending: s.next(), epoch: epoch, waiting: w, dues: make(map[uint64]time.Duration)}
}

// Pace waits until hit number hits is due. It waits itself instead of telling
// Vegeta to sleep, which is late by up to 1 ms.
func (p *openPacer) Pace(elapsed time.Duration, hits uint64) (time.Duration, bool) {
	due := p.pending
	if due >= p.duration {
		return 0, true
	}
	p.pending = p.schedule.next()
	due += p.remember(elapsed, hits, due)
	if due > time.Since(p.epoch) && !p.waiting.until(due) {
		return 0, true // interrupted
	}
	return 0, false
}

// remember notes when a hit is due and returns when the attack began.
func (p *openPacer) remember(elapsed time.Duration, hit uint64, due time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.started {
		p.began = time.Since(p.epoch) - elapsed
		p.started = true
	}
	p.dues[hit] = due
	return p.began
}

// due is when hit seq was meant to be sent, after the epoch; it can be asked
// once.
func (p *openPacer) due(seq uint64) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	offset := p.dues[seq]
	delete(p.dues, seq)
	return p.began + offset
}

// Rate satisfies vegeta.Pacer; only Vegeta's own plots ask.
func (p *openPacer) Rate(time.Duration) float64 { return 0 }

// closedPacer never waits: the number of workers is what limits the load.
type closedPacer struct{}

func (closedPacer) Pace(time.Duration, uint64) (time.Duration, bool) { return 0, false }
func (closedPacer) Rate(time.Duration) float64                       { return math.Inf(1) }

// arrivingPacer lets so many hits go evenly within a time, and all others at
// once.
type arrivingPacer struct {
	clients uint64
	within  time.Duration
	epoch   time.Time
	waiting waiting
}

// Pace waits for a client's arrival.
func (p *arrivingPacer) Pace(elapsed time.Duration, hits uint64) (time.Duration, bool) {
	if hits >= p.clients {
		return 0, false
	}
	due := p.within * time.Duration(hits) / time.Duration(p.clients)
	if due > elapsed && !p.waiting.until(time.Since(p.epoch)+due-elapsed) {
		return 0, true // interrupted
	}
	return 0, false
}

// Rate satisfies vegeta.Pacer.
func (p *arrivingPacer) Rate(time.Duration) float64 { return math.Inf(1) }

var (
	_ vegeta.Pacer = (*openPacer)(nil)
	_ vegeta.Pacer = (*arrivingPacer)(nil)
	_ vegeta.Pacer = closedPacer{}
)
