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

func (t *turns) take() bool {
	time.Sleep(time.Millisecond)
	if t.step {
		t.steps.Add(1)
	}
	t.left--
	return t.left >= 0
}

func (t *turns) end() {}

func TestSpareIsTheTurnsWithoutAStep(t *testing.T) {
	for _, step := range []bool{false, true} {
		var steps atomic.Uint64
		p := &polling{epoch: time.Now(), steps: &steps, turn: &turns{10, &steps, step}, wake: make(chan struct{}, 1)}
		p.poll()
		if (p.spare < 10*time.Millisecond) != step || step && p.spare > 0 {
			t.Errorf("turns with a step %v: %v to spare", step, p.spare)
		}
	}
}

func TestAWaitEndsWithThePolling(t *testing.T) {
	p, err := startPolling(time.Now(), new(atomic.Uint64))
	if err != nil {
		t.Fatal(err)
	}
	came := make(chan bool)
	go func() { came <- p.until(time.Hour) }()
	p.end()
	if <-came {
		t.Error("an hour came at once")
	}
	if p.until(0) {
		t.Error("a moment came although nobody polls")
	}
	p.end() // a second time is no harm
}

// A generator that had little to do has most of its time to spare.
func TestAnAttackTellsWhatItHadToSpare(t *testing.T) {
	a := attackOn(answering(t, hello), lab.Steady)
	a.Rate = at(50)
	got, err := Run(t.Context(), a, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Spare <= 0 || got.Spare > 2*a.Duration {
		t.Errorf("%v to spare in %v", got.Spare, a.Duration)
	}
}

// One that sleeps has left its CPU to others.
func TestASleepingGeneratorHasNothingToSpare(t *testing.T) {
	a := attackOn(answering(t, hello), lab.Steady)
	// The last hits are due long before the end, when a machine may stall.
	a.Rate, a.Sleeps = []lab.Stage{{FromRPS: 50, ToRPS: 50, Lasts: 200 * time.Millisecond}, {Lasts: time.Second}}, true
	a.Duration = 700 * time.Millisecond
	got, err := Run(t.Context(), a, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Spare != 0 || got.Succeeded == 0 || got.Failed > 0 || got.Sent != got.Intended {
		t.Errorf("%v to spare, %d succeeded and %d failed of %d", got.Spare, got.Succeeded, got.Failed, got.Intended)
	}
}
