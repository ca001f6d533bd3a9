package attack

import (
	"testing"
	"time"

	"runtimelab/lab"
)

// newWaiters returns a waiter of each mode, by whether it sleeps.
func newWaiters(t *testing.T) map[bool]waiter {
	t.Helper()
	all := make(map[bool]waiter)
	for _, sleeps := range []bool{false, true} {
		w, err := newWaiter(lab.Attack{SleepWhenIdle: sleeps}, &transport{epoch: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.stop() })
		all[sleeps] = w
	}
	return all
}

func TestStoppingAWaiterEndsItsWait(t *testing.T) {
	for sleeps, w := range newWaiters(t) {
		reached := make(chan bool)
		go func() { reached <- w.waitUntil(time.Hour) }()
		time.Sleep(10 * time.Millisecond) // so that it mostly waits already; not needed to pass
		w.stop()
		if <-reached {
			t.Errorf("sleeps %v: a wait of an hour ended at once as if it had succeeded", sleeps)
		}
		if w.waitUntil(0) {
			t.Errorf("sleeps %v: a wait succeeded after the waiter was stopped", sleeps)
		}
		w.stop() // stopping twice is allowed
	}
}

// Waits follow one another at once, as in a schedule, and some are due already when they begin.
func TestWaitsEndWhenTheyAreDueAndNotBefore(t *testing.T) {
	epoch := time.Now()
	w, err := newWaiter(lab.Attack{SleepWhenIdle: true}, &transport{epoch: epoch})
	if err != nil {
		t.Fatal(err)
	}
	defer w.stop()
	for i := range 2000 {
		due := time.Since(epoch) + time.Duration(i%40-10)*5*time.Microsecond
		if !w.waitUntil(due) {
			t.Fatalf("wait %d was interrupted", i)
		}
		if early := due - time.Since(epoch); early > 0 {
			t.Fatalf("wait %d ended %v before it was due", i, early)
		}
	}
}
