package attack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/attack/eventloop"
)

// loopDriver sends hits on event loops: one for each CPU that Go uses, each with its share of the
// connections, of the schedule and of the recording.
type loopDriver struct {
	attack     lab.Attack
	epoch      time.Time
	hits       io.Writer
	requesters []*requester
	agreed     *agreement
}

// agreement is what the loops of an attack agree on.
type agreement struct {
	stopped  atomic.Bool         // no loop may send any more
	steady   *steadinessDetector // nil unless the attack is a warm-up
	ladder   *ladder             // nil unless the attack is a ladder
	timeout  time.Duration
	keep     bool // connections are kept for the next hit
	address  netip.AddrPort
	targets  []target
	original []lab.Target
}

func newLoopDriver(a lab.Attack, hits io.Writer) (*loopDriver, error) {
	base, err := url.Parse(a.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("reading base URL %q: %w", a.BaseURL, err)
	}
	address, err := net.ResolveTCPAddr("tcp", base.Host)
	if err != nil {
		return nil, fmt.Errorf("resolving base URL %q: %w", a.BaseURL, err)
	}
	agreed := &agreement{timeout: a.Timeout, keep: !a.ConnectionPerRequest, original: a.Targets}
	agreed.address = address.AddrPort()
	agreed.address = netip.AddrPortFrom(agreed.address.Addr().Unmap(), agreed.address.Port())
	for _, tg := range a.Targets {
		prepared, err := newTarget(base.Host, tg, a.ConnectionPerRequest)
		if err != nil {
			return nil, err
		}
		agreed.targets = append(agreed.targets, prepared)
	}
	d := &loopDriver{attack: a, epoch: time.Now(), hits: hits, agreed: agreed}
	targeter := newTargeter(a)
	loops := min(runtime.GOMAXPROCS(0), a.Connections)
	for i := range loops {
		loop, err := eventloop.New(d.epoch, a.SleepWhenIdle)
		if err != nil {
			d.close()
			return nil, err
		}
		r := newRequester(loop, agreed, hitSource{
			pacer: closedPacer{}, targeter: targeter, part: uint64(i), parts: uint64(loops),
		})
		if a.Kind.IsOpenLoop() {
			r.source.pacer = newSchedulePacer(newPartialSchedule(a, i, loops), a.Duration)
		}
		for c := i; c < a.Connections; c += loops {
			r.addClient()
		}
		d.requesters = append(d.requesters, r)
	}
	return d, nil
}

func (d *loopDriver) close() {
	for _, r := range d.requesters {
		r.loop.Close()
	}
}

func (d *loopDriver) send(ctx context.Context) (idle time.Duration, err error) {
	// A loop keeps its place in Go's scheduler, also while it waits. One more is for all other goroutines,
	// which the kernel then runs beside the loops: the end of input must reach ctx.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1))
	interrupted := make(chan struct{})
	unwatch := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		for _, r := range d.requesters {
			r.loop.Interrupt()
		}
	})
	defer func() {
		if !unwatch() {
			<-interrupted // the loops are closed after this
		}
	}()
	var opening, sending sync.WaitGroup
	start := make(chan struct{})
	errs := make([]error, len(d.requesters))
	opening.Add(len(d.requesters))
	for i, r := range d.requesters {
		sending.Go(func() {
			// It stays locked: the thread ends with the goroutine, and so does what was set for it.
			runtime.LockOSThread()
			errs[i] = r.openConnections()
			opening.Done()
			if <-start; errs[i] == nil {
				errs[i] = r.run()
			}
		})
	}
	opening.Wait()
	d.prepare()
	close(start)
	sending.Wait()
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	if err := errors.Join(errs...); err != nil {
		return 0, err
	}
	for _, r := range d.requesters {
		idle += r.loop.Idle() - r.idleBefore
	}
	return idle, nil
}

// prepare gives each loop its recorder and the times of its attack, which begins now.
func (d *loopDriver) prepare() {
	a := d.attack
	recorders := newRecorders(a, d.epoch, d.hits, len(d.requesters))
	traits := a.Kind.Traits()
	if traits.Pacing == lab.ClosedUntilSteady {
		d.agreed.steady = newSteadinessDetector(len(d.requesters))
	}
	for i, r := range d.requesters {
		r.rec = recorders[i]
		if a.Kind.IsOpenLoop() {
			r.rec.result.Intended = countHits(newPartialSchedule(a, i, len(d.requesters)), a.Duration)
		}
	}
	start := time.Since(d.epoch)
	sendUntil := start + maxSendTime(a)
	origin := start
	if a.Kind.IsOpenLoop() {
		sendUntil += openLoopGrace
		first := a.Duration
		for _, r := range d.requesters {
			first = min(first, r.source.pacer.(*schedulePacer).nextDue)
		}
		origin += first
	}
	if traits.Pacing == lab.ArrivingClients {
		d.agreed.ladder = newLadder(a.Connections, start+a.Duration, func() { d.agreed.stopped.Store(true) })
	}
	for i, r := range d.requesters {
		r.rec.beginSecondsAt(origin)
		r.source.start, r.sendUntil, r.idleBefore = start, sendUntil, r.loop.Idle()
		if traits.Pacing != lab.ArrivingClients {
			continue
		}
		r.rec.countLadder(newLadderCompletions(a, start))
		for k, c := range r.clients {
			number := i + k*len(d.requesters) // among the clients of all loops
			c.arrival = start + arrivalTime(number, a.Connections, a.Duration/arrivalDivisor)
		}
	}
}

func (d *loopDriver) result() (lab.AttackResult, error) {
	recorders := make([]*recorder, len(d.requesters))
	for i, r := range d.requesters {
		r.rec.setTransportCounts(r.bytesIn, r.bytesOut, r.dialled)
		recorders[i] = r.rec
	}
	if d.agreed.steady != nil {
		recorders[0].warmUpEnd = warmUpEnd(d.agreed.steady.steady.Load())
	}
	return finish(recorders)
}

var _ driver = (*loopDriver)(nil)
