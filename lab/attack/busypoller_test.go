package attack

import (
	"sync/atomic"
	"testing"
	"time"

	"runtimelab/lab"
)

// turns are so many, in each of which a hit may make a step.
type turns struct {
	left  int
	steps *atomic.Uint64
	step  bool
}

func (t *turns) wait() bool {
	time.Sleep(time.Millisecond)
	if t.step {
		t.steps.Add(1)
	}
	t.left--
	return t.left >= 0
}

func (t *turns) stop() {}

func TestIdlePollingCountsCyclesWithoutIO(t *testing.T) {
	for _, step := range []bool{false, true} {
		var steps atomic.Uint64
		p := &busyPoller{
			epoch: time.Now(), ioSteps: &steps, cycle: &turns{10, &steps, step},
			wake: make(chan struct{}, 1),
		}
		p.loop()
		if (p.idle < 10*time.Millisecond) != step || step && p.idle > 0 {
			t.Errorf("turns with a step %v: %v to spare", step, p.idle)
		}
	}
}

func TestStoppingThePollerEndsItsWait(t *testing.T) {
	p, err := startBusyPoller(time.Now(), new(atomic.Uint64))
	if err != nil {
		t.Fatal(err)
	}
	came := make(chan bool)
	go func() { came <- p.waitUntil(time.Hour) }()
	p.stop()
	if <-came {
		t.Error("an hour came at once")
	}
	if p.waitUntil(0) {
		t.Error("a moment came although nobody polls")
	}
	p.stop() // a second time is no harm
}

// A generator that had little to do has most of its time to spare.
func TestAttackReportsIdlePolling(t *testing.T) {
	a := attackOn(answering(t, hello), lab.Steady)
	a.Rate = at(50)
	got, err := Run(t.Context(), a, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.IdlePolling <= 0 || got.IdlePolling > 2*a.Duration {
		t.Errorf("%v to spare in %v", got.IdlePolling, a.Duration)
	}
}

// One that sleeps has left its CPU to others.
func TestSleepingGeneratorReportsNoIdlePolling(t *testing.T) {
	a := attackOn(answering(t, hello), lab.Steady)
	// The last hits are due long before the end, when a machine may stall.
	a.Rate, a.SleepWhenIdle = []lab.Stage{
		{FromRPS: 50, ToRPS: 50, Duration: 200 * time.Millisecond},
		{Duration: time.Second},
	}, true
	a.Duration = 700 * time.Millisecond
	got, err := Run(t.Context(), a, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.IdlePolling != 0 || got.Succeeded == 0 || got.Failed > 0 || got.Sent != got.Intended {
		t.Errorf("%v to spare, %d succeeded and %d failed of %d", got.IdlePolling, got.Succeeded, got.Failed,
			got.Intended)
	}
}
