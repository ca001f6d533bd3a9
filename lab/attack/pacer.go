package attack

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"runtimelab/lab"
)

// schedule gives the intended send time of every hit, as an offset from the
// start of the attack, in order. next returns successive offsets.
type schedule interface {
	next() time.Duration
}

// constant spaces hits equally: hit k (from 0) is due at k/rate. Computed from
// k each time, so that rounding never accumulates.
type constant struct {
	rate float64 // per second
	k    int64
}

func (c *constant) next() time.Duration {
	at := time.Duration(math.Round(float64(c.k) * float64(time.Second) / c.rate))
	c.k++
	return at
}

// poisson spaces hits by independent exponential gaps, as many independent
// clients together do.
type poisson struct {
	rate float64 // per second
	rng  *rand.Rand
	at   float64 // seconds
}

func (p *poisson) next() time.Duration {
	p.at += p.rng.ExpFloat64() / p.rate
	return time.Duration(p.at * float64(time.Second))
}

func newSchedule(a lab.Attack) schedule {
	if a.Arrivals == lab.Constant {
		return &constant{rate: a.RateRPS}
	}
	return &poisson{rate: a.RateRPS, rng: rand.New(rand.NewPCG(a.Seed, 0))}
}

// openPacer is a vegeta.Pacer that follows a schedule and remembers when each
// hit that is under way was due.
type openPacer struct {
	schedule schedule
	duration time.Duration
	pending  time.Duration // when the next hit is due
	sleeper  sleeper

	mu    sync.Mutex // Vegeta calls Pace from one goroutine, the recorder due from another
	began time.Time
	dues  map[uint64]time.Duration // by hit number, of hits under way only: one may take as long as it likes
}

func newOpenPacer(s schedule, d time.Duration) *openPacer {
	return &openPacer{schedule: s, duration: d, pending: s.next(), dues: make(map[uint64]time.Duration)}
}

// Pace waits until hit number hits is due. It waits itself instead of telling
// Vegeta to sleep, because Go's own sub-millisecond sleeps wake up to 1 ms
// late when the process is otherwise idle.
func (p *openPacer) Pace(elapsed time.Duration, hits uint64) (time.Duration, bool) {
	due := p.pending
	if due >= p.duration {
		return 0, true
	}
	p.pending = p.schedule.next()
	if wait := due - time.Since(p.remember(elapsed, hits, due)); wait > 0 {
		p.sleeper.sleep(wait)
	}
	return 0, false
}

// remember notes when a hit is due and returns when the attack began.
func (p *openPacer) remember(elapsed time.Duration, hit uint64, due time.Duration) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.began.IsZero() {
		p.sleeper.prepare()
		p.began = time.Now().Add(-elapsed)
	}
	p.dues[hit] = due
	return p.began
}

// due is when hit seq was meant to be sent; it can be asked once.
func (p *openPacer) due(seq uint64) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	offset := p.dues[seq]
	delete(p.dues, seq)
	return p.began.Add(offset)
}

// Rate satisfies vegeta.Pacer; only Vegeta's own plots ask.
func (p *openPacer) Rate(time.Duration) float64 { return 0 }

// intended counts the hits that a schedule calls for before d.
func intended(s schedule, d time.Duration) int64 {
	var n int64
	for s.next() < d {
		n++
	}
	return n
}

// closedPacer never waits: the number of workers is what limits the load.
type closedPacer struct{}

func (closedPacer) Pace(time.Duration, uint64) (time.Duration, bool) { return 0, false }
func (closedPacer) Rate(time.Duration) float64                       { return math.Inf(1) }

var (
	_ vegeta.Pacer = (*openPacer)(nil)
	_ vegeta.Pacer = closedPacer{}
)
