package attack

import (
	"sync/atomic"
	"testing"
	"time"

	"runtimelab/lab"
)

// pollingPacer returns a pacer of a constant rate that polls.
func pollingPacer(t *testing.T, rps float64) *openPacer {
	t.Helper()
	epoch := time.Now()
	p, err := startBusyPoller(epoch, new(atomic.Uint64))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.stop() })
	return constantPacer(rps, epoch, p)
}

func sleepingPacer(t *testing.T, rps float64) *openPacer {
	t.Helper()
	epoch := time.Now()
	w, err := newKernelTimer(epoch)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.stop() })
	return constantPacer(rps, epoch, w)
}

// constantPacer returns a pacer of a constant rate that waits by w.
func constantPacer(rps float64, epoch time.Time, w waiter) *openPacer {
	a := lab.Attack{Arrivals: lab.Constant, Rate: constantRate(rps)}
	return newOpenPacer(newSchedule(a), time.Hour, epoch, w)
}

// A slow hit must still learn when it was due, however many others began and ended meanwhile.
func TestPacerRemembersASlowHit(t *testing.T) {
	p := pollingPacer(t, 1e6)
	for k := range uint64(5000) {
		p.Pace(0, k)
		if k != 10 {
			p.takeDue(k)
		}
	}
	if got := p.takeDue(10) - p.attackStart; got != 10*time.Microsecond {
		t.Errorf("hit 10 was due at %v, want 10 µs", got)
	}
	if len(p.dueTimes) != 0 {
		t.Errorf("%d due times are kept after all were taken", len(p.dueTimes))
	}
}

func TestPacerNeverSendsEarly(t *testing.T) {
	for name, p := range map[string]*openPacer{
		"polling":  pollingPacer(t, 2000),
		"sleeping": sleepingPacer(t, 2000),
	} {
		for k := range uint64(200) {
			if _, stop := p.Pace(time.Since(p.epoch), k); stop {
				t.Fatalf("%s: the pacer stopped by itself", name)
			}
			if early := p.takeDue(k) - time.Since(p.epoch); early > 0 {
				t.Fatalf("%s: hit %d was sent %v before it was due", name, k, early)
			}
		}
	}
}

func TestPacerEndsItsWaitWhenInterrupted(t *testing.T) {
	for name, p := range map[string]*openPacer{
		"polling":  pollingPacer(t, 1.0/3600),
		"sleeping": sleepingPacer(t, 1.0/3600),
	} {
		p.Pace(0, 0)
		stopped := make(chan bool)
		go func() {
			_, stop := p.Pace(0, 1) // due in an hour
			stopped <- stop
		}()
		p.waiter.stop()
		if !<-stopped {
			t.Errorf("%s: an interrupted wait sent its hit", name)
		}
		if p.waiter.waitUntil(0) {
			t.Errorf("%s: a wait succeeded after stop", name)
		}
	}
}
