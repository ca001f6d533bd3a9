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

// arrivingPacer is of a closed loop whose clients come evenly within a time: a
// hit goes when a client comes, or when one that has come has its answer.
type arrivingPacer struct {
	free    chan struct{} // one for each client that waits to send
	all     chan struct{} // closed when every client has come, or none will any more
	waiting waiting
	over    func() bool // nobody is to send any more
	ended   bool        // before every client had come; to be read once all is closed
}

// newArrivingPacer has the clients come from a moment on, the first at once, each
// by its connection.
func newArrivingPacer(t *transport, began, within time.Duration, w waiting) *arrivingPacer {
	p := &arrivingPacer{free: make(chan struct{}, len(t.all)), all: make(chan struct{}), waiting: w, over: t.ladder.over}
	go p.come(t, began, within)
	return p
}

func (p *arrivingPacer) come(t *transport, began, within time.Duration) {
	defer close(p.all)
	for i, c := range t.all {
		if i > 0 && !p.waiting.until(began+arrivalOf(i, len(t.all), within)) {
			p.ended = true
			return
		}
		t.pool.give(c)
		p.free <- struct{}{}
	}
}

// arrivalOf is when client i of so many comes, after the first.
func arrivalOf(i, clients int, within time.Duration) time.Duration {
	return within * time.Duration(i) / time.Duration(clients)
}

// answered has the client of a hit that ended send another.
func (p *arrivingPacer) answered() {
	select {
	case <-p.all: // from then on the number of workers is the number of clients
	default:
		p.free <- struct{}{}
	}
}

// Pace waits for a client that is free to send.
func (p *arrivingPacer) Pace(time.Duration, uint64) (time.Duration, bool) {
	select {
	case <-p.free:
		return 0, p.over()
	default:
	}
	select {
	case <-p.free:
		return 0, p.over()
	case <-p.all:
		return 0, p.ended || p.over()
	}
}

// Rate satisfies vegeta.Pacer.
func (p *arrivingPacer) Rate(time.Duration) float64 { return math.Inf(1) }

var (
	_ vegeta.Pacer = (*openPacer)(nil)
	_ vegeta.Pacer = (*arrivingPacer)(nil)
	_ vegeta.Pacer = closedPacer{}
)
