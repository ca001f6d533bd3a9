package attack

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	windowLength    = 500 * time.Millisecond
	windowsNeeded   = 4
	steadyTolerance = 0.05 // share of the windows' mean; at least one hit, the resolution of a count
	minWindowHits   = 2    // mean hits per window below which throughput is never called steady
)

// steadinessDetector detects when the throughput of a warm-up is steady. Each recorder has a counter.
type steadinessDetector struct {
	counters int
	steady   atomic.Bool

	mu      sync.Mutex // taken once in a window by each counter, not for each hit
	windows []hitWindow
}

// hitWindow counts the hits of one window.
type hitWindow struct {
	hits     float64
	reported int // counters that have added theirs
}

func newSteadinessDetector(counters int) *steadinessDetector {
	return &steadinessDetector{counters: counters}
}

// add adds the hits that a counter has in a window.
func (d *steadinessDetector) add(window int, hits float64) {
	for len(d.windows) <= window {
		d.windows = append(d.windows, hitWindow{})
	}
	d.windows[window].hits += hits
	d.windows[window].reported++
}

// judge decides whether throughput is steady before a window: the windowsNeeded windows before it, of
// all counters, all lie within steadyTolerance, or one hit, of their mean.
func (d *steadinessDetector) judge(before int) {
	if before < windowsNeeded {
		return
	}
	last := d.windows[before-windowsNeeded : before]
	mean := 0.0
	for _, w := range last {
		mean += w.hits / windowsNeeded
	}
	tolerance := max(steadyTolerance*mean, 1)
	if mean >= minWindowHits && !slices.ContainsFunc(last, func(w hitWindow) bool {
		return w.reported < d.counters || math.Abs(w.hits-mean) > tolerance
	}) {
		d.steady.Store(true)
	}
}

// warmUpEnd says how a warm-up ended, as AttackResult.WarmUpEnd does.
func warmUpEnd(steady bool) string {
	if steady {
		return "steady"
	}
	return "budget"
}

// hitCounter counts the hits of one recorder in windows.
type hitCounter struct {
	detector *steadinessDetector
	window   int // the current one
	hits     float64
}

// addHit counts a hit that ended at elapsed. It reports whether throughput is steady.
func (c *hitCounter) addHit(elapsed time.Duration) bool {
	if window := int(elapsed / windowLength); window > c.window {
		c.closeWindows(window)
	}
	c.hits++
	return c.detector.steady.Load()
}

// closeWindows adds the windows before a new one to the detector.
func (c *hitCounter) closeWindows(window int) {
	c.detector.mu.Lock()
	defer c.detector.mu.Unlock()
	for ; c.window < window; c.window++ {
		c.detector.add(c.window, c.hits)
		c.hits = 0
	}
	c.detector.judge(window)
}
