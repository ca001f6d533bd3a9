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
	nextDue  time.Duration // when the next hit is due, after the attack's start
	epoch    time.Time
	waiter   waiter

	mu          sync.Mutex // Vegeta calls Pace from one goroutine, the recorder due from another
	started     bool
	attackStart time.Duration // the attack's start
	// by hit number, of hits under way only: one may take as long as it likes
	dueTimes map[uint64]time.Duration
}

func newOpenPacer(s *schedule, d time.Duration, epoch time.Time, w waiter) *openPacer {
	return &openPacer{
		schedule: s, duration: d, nextDue: s.next(), epoch: epoch, waiter: w,
		dueTimes: make(map[uint64]time.Duration),
	}
}

// Pace waits until hit number hits is due. It waits itself instead of telling
// Vegeta to sleep, which is late by up to 1 ms.
func (p *openPacer) Pace(elapsed time.Duration, hits uint64) (time.Duration, bool) {
	due := p.nextDue
	if due >= p.duration {
		return 0, true
	}
	p.nextDue = p.schedule.next()
	due += p.recordDue(elapsed, hits, due)
	if due > time.Since(p.epoch) && !p.waiter.waitUntil(due) {
		return 0, true // interrupted
	}
	return 0, false
}

// recordDue notes when a hit is due and returns when the attack began.
func (p *openPacer) recordDue(elapsed time.Duration, hit uint64, due time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.started {
		p.attackStart = time.Since(p.epoch) - elapsed
		p.started = true
	}
	p.dueTimes[hit] = due
	return p.attackStart
}

// takeDue is when hit seq was meant to be sent, after the epoch; it can be asked
// once.
func (p *openPacer) takeDue(seq uint64) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	offset := p.dueTimes[seq]
	delete(p.dueTimes, seq)
	return p.attackStart + offset
}

// Rate satisfies vegeta.Pacer; only Vegeta's own plots ask.
func (p *openPacer) Rate(time.Duration) float64 { return 0 }

// closedPacer never waits: the number of workers is what limits the load.
type closedPacer struct{}

func (closedPacer) Pace(time.Duration, uint64) (time.Duration, bool) { return 0, false }
func (closedPacer) Rate(time.Duration) float64                       { return math.Inf(1) }

// ladderPacer is of a closed loop whose clients come evenly within a time: a
// hit goes when a client comes, or when one that has come has its answer.
type ladderPacer struct {
	readyClients chan struct{} // one for each client that waits to send
	allArrived   chan struct{} // closed when every client has come, or none will any more
	waiter       waiter
	isOver       func() bool // nobody is to send any more
	interrupted  bool        // before every client had come; to be read once all is closed
}

// newLadderPacer has the clients come from a moment on, the first at once, each
// by its connection.
func newLadderPacer(t *transport, began, within time.Duration, w waiter) *ladderPacer {
	p := &ladderPacer{
		readyClients: make(chan struct{}, len(t.conns)), allArrived: make(chan struct{}),
		waiter: w, isOver: t.ladder.isOver,
	}
	go p.admitClients(t, began, within)
	return p
}

func (p *ladderPacer) admitClients(t *transport, began, within time.Duration) {
	defer close(p.allArrived)
	for i, c := range t.conns {
		if i > 0 && !p.waiter.waitUntil(began+arrivalTime(i, len(t.conns), within)) {
			p.interrupted = true
			return
		}
		t.pool.put(c)
		p.readyClients <- struct{}{}
	}
}

// arrivalTime is when client i of so many comes, after the first.
func arrivalTime(i, clients int, within time.Duration) time.Duration {
	return within * time.Duration(i) / time.Duration(clients)
}

// clientReady has the client of a hit that ended send another.
func (p *ladderPacer) clientReady() {
	select {
	case <-p.allArrived: // from then on the number of workers is the number of clients
	default:
		p.readyClients <- struct{}{}
	}
}

// Pace waits for a client that is free to send.
func (p *ladderPacer) Pace(time.Duration, uint64) (time.Duration, bool) {
	select {
	case <-p.readyClients:
		return 0, p.isOver()
	default:
	}
	select {
	case <-p.readyClients:
		return 0, p.isOver()
	case <-p.allArrived:
		return 0, p.interrupted || p.isOver()
	}
}

// Rate satisfies vegeta.Pacer.
func (p *ladderPacer) Rate(time.Duration) float64 { return math.Inf(1) }

var (
	_ vegeta.Pacer = (*openPacer)(nil)
	_ vegeta.Pacer = (*ladderPacer)(nil)
	_ vegeta.Pacer = closedPacer{}
)
