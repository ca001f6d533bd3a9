package attack

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"runtimelab/lab"
)

// vegetaDriver sends hits by Vegeta's Attacker, over a transport of the lab.
type vegetaDriver struct {
	attack    lab.Attack
	transport *transport
	attacker  *vegeta.Attacker
	waiter    waiter
	judge     *judge
	rec       *recorder
	due       func(seq uint64) time.Duration // when a hit was due; nil in a closed loop
}

func newVegetaDriver(ctx context.Context, a lab.Attack, hits io.Writer) (*vegetaDriver, error) {
	t, err := newTransport(ctx, a)
	if err != nil {
		return nil, err
	}
	w, err := newWaiter(a, t)
	if err != nil {
		t.close()
		return nil, err
	}
	return &vegetaDriver{
		attack:    a,
		transport: t,
		attacker: vegeta.NewAttacker(
			vegeta.Workers(uint64(a.Connections)),
			vegeta.MaxWorkers(uint64(a.Connections)),
			// The transport enforces the timeout: a Client's Timeout would cost a timer and a context per
			// hit. Its answers carry no Location, so the client follows no redirect.
			vegeta.Client(&http.Client{Transport: t}),
		),
		waiter: w,
		judge:  newJudge(a.Targets),
		rec:    newRecorder(a, t.epoch, hits),
	}, nil
}

func (d *vegetaDriver) send(ctx context.Context) (idle time.Duration, err error) {
	defer context.AfterFunc(ctx, func() { d.waiter.stop() })()
	send := d.sendClosedLoop
	switch d.attack.Kind.Traits().Pacing {
	case lab.OpenLoop:
		send = d.sendOpenLoop
	case lab.ClosedUntilSteady:
		send = d.sendWarmUp
	case lab.ArrivingClients:
		send = d.sendLadder
	}
	// Vegeta checks the duration only between hits. It would wait for a worker that a server keeps
	// busy, up to the timeout.
	sendCtx, cancel := context.WithTimeout(ctx, maxSendTime(d.attack)+openLoopGrace)
	defer cancel()
	defer context.AfterFunc(sendCtx, func() { d.attacker.Stop() })()
	send()
	return d.waiter.stop(), nil
}

func (d *vegetaDriver) result() (lab.AttackResult, error) {
	d.rec.setTransportCounts(d.transport.counts())
	return finish([]*recorder{d.rec})
}

func (d *vegetaDriver) close() {
	d.waiter.stop()
	d.transport.close()
}

// hits starts Vegeta's attack and returns its results.
func (d *vegetaDriver) hits(p vegeta.Pacer, duration time.Duration) <-chan *vegeta.Result {
	return d.attacker.Attack(newTargeter(d.attack), p, duration, "")
}

// record records a hit and returns when it ended, after the origin of the recorder.
func (d *vegetaDriver) record(hit *vegeta.Result) time.Duration {
	x := d.exchangeOf(hit)
	return d.rec.add(&x)
}

// exchangeOf returns what the transport reported of a hit, or what Vegeta did if no answer came.
func (d *vegetaDriver) exchangeOf(hit *vegeta.Result) exchange {
	var x exchange
	if rep, answered := decodeReport(hit.Body); answered {
		x = exchange{
			target: rep.target, sent: rep.sent, firstByte: rep.firstByteAt, end: rep.endAt,
			status: rep.status, bytesIn: rep.bytesIn, answered: true,
			failure: d.judge.failure(rep.target, rep.answer),
		}
	} else {
		sent := hit.Timestamp.Sub(d.transport.epoch)
		x = exchange{
			target: targetIndex(hit.URL), sent: sent, end: sent + hit.Latency, failure: stripURL(hit.Error),
		}
	}
	x.seq, x.intended = hit.Seq, x.sent
	if d.due != nil {
		x.intended = d.due(hit.Seq)
	}
	return x
}

// stripURL removes the prefix of http.Client from an error's message. It names the target as only
// the transport knows it.
func stripURL(message string) string {
	if _, after, ok := strings.Cut(message, `": `); ok {
		return after
	}
	return message
}

// sendOpenLoop sends hits by a schedule. Hits that a slow server kept from being sent by the end
// count as a shortfall.
func (d *vegetaDriver) sendOpenLoop() {
	a := d.attack
	pacer := newOpenPacer(newSchedule(a), a.Duration, d.transport.epoch, d.waiter)
	d.due = pacer.takeDue
	d.rec.result.Intended = countHits(newSchedule(a), a.Duration)
	for hit := range d.hits(pacer, a.Duration+openLoopGrace) {
		d.record(hit)
	}
}

// sendClosedLoop sends a hit on each connection as soon as the one before is answered.
func (d *vegetaDriver) sendClosedLoop() {
	for hit := range d.hits(closedPacer{}, d.attack.Duration) {
		d.record(hit)
	}
}

// sendLadder runs a closed loop whose clients arrive one after another. Thousands of clients that
// start together and wait equally long would return together, and their latency would be that of a
// burst. From its arrival on, each client sends as soon as it has its answer.
func (d *vegetaDriver) sendLadder() {
	a, t := d.attack, d.transport
	start := t.now()
	d.rec.countLadder(newLadderCompletions(a, start))
	t.ladder = newLadder(a.Connections, start+a.Duration, func() { d.attacker.Stop() })
	pacer := newLadderPacer(t, start, a.Duration/arrivalDivisor, d.waiter)
	for hit := range d.hits(pacer, maxSendTime(a)) {
		d.record(hit)
		pacer.clientReady()
	}
}

// sendWarmUp runs a closed loop that ends when throughput is steady, or else with the attack's
// duration (its budget).
func (d *vegetaDriver) sendWarmUp() {
	counter := hitCounter{detector: newSteadinessDetector(1)}
	steady := false
	for hit := range d.hits(closedPacer{}, d.attack.Duration) {
		ended := d.record(hit)
		if !steady && counter.addHit(ended) {
			steady = true
			d.attacker.Stop()
		}
	}
	d.rec.warmUpEnd = warmUpEnd(steady)
}

var _ driver = (*vegetaDriver)(nil)
