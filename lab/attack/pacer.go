package attack

import (
	"math"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// openPacer is a vegeta.Pacer that follows a schedule and remembers when each hit under way was
// due. Times count from the epoch.
type openPacer struct {
	schedule *schedule
	duration time.Duration
	nextDue  time.Duration // when the next hit is due, after attackStart
	epoch    time.Time
	waiter   waiter

	mu          sync.Mutex // Vegeta calls Pace and the recorder calls takeDue, from two goroutines
	started     bool
	attackStart time.Duration // of Vegeta's attack, known at the first Pace
	// dueTimes is keyed by hit number and holds only hits under way, since a hit may take any time.
	dueTimes map[uint64]time.Duration
}

func newOpenPacer(s *schedule, d time.Duration, epoch time.Time, w waiter) *openPacer {
	return &openPacer{
		schedule: s, duration: d, nextDue: s.next(), epoch: epoch, waiter: w,
		dueTimes: make(map[uint64]time.Duration),
	}
}

// Pace waits until hit number hits is due. It waits by itself because Vegeta's sleep is up to 1 ms
// late.
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

// recordDue stores when a hit is due, after the attack's start, and returns that start.
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

// takeDue returns when hit seq was due, after the epoch, and forgets it: call it once per hit.
func (p *openPacer) takeDue(seq uint64) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	offset := p.dueTimes[seq]
	delete(p.dueTimes, seq)
	return p.attackStart + offset
}

// Rate returns 0, not the rate of the schedule: vegeta.Pacer requires the method, but the attack
// does not call it.
func (p *openPacer) Rate(time.Duration) float64 { return 0 }

// schedulePacer is a vegeta.Pacer that follows a schedule and does not wait. A hit that is late has a
// negative wait, so that elapsed + wait is always the time at which the hit was due.
type schedulePacer struct {
	schedule *schedule
	duration time.Duration
	nextDue  time.Duration // when the next hit is due, after the attack's start
}

func newSchedulePacer(s *schedule, d time.Duration) *schedulePacer {
	return &schedulePacer{schedule: s, duration: d, nextDue: s.next()}
}

// Pace returns how long to wait for the next hit of the schedule. Call it once for each hit.
func (p *schedulePacer) Pace(elapsed time.Duration, _ uint64) (wait time.Duration, stop bool) {
	if p.nextDue >= p.duration {
		return 0, true
	}
	wait = p.nextDue - elapsed
	p.nextDue = p.schedule.next()
	return wait, false
}

// Rate satisfies vegeta.Pacer; see openPacer.Rate.
func (p *schedulePacer) Rate(time.Duration) float64 { return 0 }

// closedPacer never waits: the number of workers limits the load.
type closedPacer struct{}

func (closedPacer) Pace(time.Duration, uint64) (time.Duration, bool) { return 0, false }
func (closedPacer) Rate(time.Duration) float64                       { return math.Inf(1) }

// ladderPacer is a vegeta.Pacer for a closed loop whose clients arrive evenly over time. A hit is
// sent when a client arrives, or when a client that has arrived gets its answer.
type ladderPacer struct {
	readyClients chan struct{} // one entry for each client that is free to send
	allArrived   chan struct{} // closed when every client has arrived or the arrivals were interrupted
	waiter       waiter
	isOver       func() bool // reports whether every client has had its last answer
	interrupted  bool        // the arrivals were interrupted; valid once allArrived is closed
}

// newLadderPacer returns a pacer whose clients arrive over rampUp, the first at start. Each has one
// connection of t.
func newLadderPacer(t *transport, start, rampUp time.Duration, w waiter) *ladderPacer {
	p := &ladderPacer{
		readyClients: make(chan struct{}, len(t.conns)), allArrived: make(chan struct{}),
		waiter: w, isOver: t.ladder.isOver,
	}
	go p.admitClients(t, start, rampUp)
	return p
}

// admitClients lets the clients arrive one after another.
func (p *ladderPacer) admitClients(t *transport, start, rampUp time.Duration) {
	defer close(p.allArrived)
	for i, c := range t.conns {
		if i > 0 && !p.waiter.waitUntil(start+arrivalTime(i, len(t.conns), rampUp)) {
			p.interrupted = true
			return
		}
		t.pool.put(c)
		p.readyClients <- struct{}{}
	}
}

// arrivalTime returns how long after the first client the i-th of all clients arrives, counting
// from 0.
func arrivalTime(i, clients int, rampUp time.Duration) time.Duration {
	return rampUp * time.Duration(i) / time.Duration(clients)
}

// clientReady marks the client of a hit that has ended as free to send.
func (p *ladderPacer) clientReady() {
	select {
	case <-p.allArrived: // the number of workers limits the load from now on
	default:
		p.readyClients <- struct{}{}
	}
}

// Pace waits until a client is free to send.
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
	_ vegeta.Pacer = (*schedulePacer)(nil)
	_ vegeta.Pacer = (*ladderPacer)(nil)
	_ vegeta.Pacer = closedPacer{}
)
