package attack

import (
	"sync/atomic"
	"testing"
	"time"

	"runtimelab/lab"
)

// fakeCycles is a pollCycle of so many cycles, each with an I/O step if hasIO is set.
type fakeCycles struct {
	left    int
	ioSteps *atomic.Uint64
	hasIO   bool
}

func (c *fakeCycles) wait() bool {
	time.Sleep(time.Millisecond)
	if c.hasIO {
		c.ioSteps.Add(1)
	}
	c.left--
	return c.left >= 0
}

func (c *fakeCycles) stop() {}

func TestIdlePollingCountsCyclesWithoutIO(t *testing.T) {
	for _, hasIO := range []bool{false, true} {
		var steps atomic.Uint64
		p := &busyPoller{
			epoch: time.Now(), ioSteps: &steps, cycle: &fakeCycles{10, &steps, hasIO},
			wake: make(chan struct{}, 1),
		}
		p.loop()
		if (p.idle < 10*time.Millisecond) != hasIO || hasIO && p.idle > 0 {
			t.Errorf("10 cycles of 1 ms, with I/O %v: idle for %v", hasIO, p.idle)
		}
	}
}

func TestAttackReportsIdlePolling(t *testing.T) { withEachGenerator(t, testAttackReportsIdlePolling) }

func testAttackReportsIdlePolling(t *testing.T, g lab.Generator) {
	a := attackBy(g, startServer(t, hello), lab.Steady)
	a.Rate = constantRate(50)
	got, err := Run(t.Context(), a, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.IdlePolling <= 0 || got.IdlePolling > 2*a.Duration {
		t.Errorf("polled idly for %v in an attack of %v", got.IdlePolling, a.Duration)
	}
}

func TestSleepingGeneratorReportsNoIdlePolling(t *testing.T) {
	withEachGenerator(t, testSleepingGeneratorReportsNoIdlePolling)
}

func testSleepingGeneratorReportsNoIdlePolling(t *testing.T, g lab.Generator) {
	a := attackBy(g, startServer(t, hello), lab.Steady)
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
		t.Errorf("polled idly for %v; %d succeeded and %d failed of %d",
			got.IdlePolling, got.Succeeded, got.Failed, got.Intended)
	}
}
