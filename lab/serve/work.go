package serve

import "sync/atomic"

var workSink atomic.Uint64

// Work is a fixed piece of CPU work: so many steps of a generator of random
// numbers, each of which needs the one before, in registers only. It takes
// about a nanosecond a step, the same for equal CPUs, and leaves its result where
// somebody might look, so that no compiler can leave it out. (Marsaglia, "Xorshift RNGs", Journal of
// Statistical Software 8(14), 2003; the multiplier is of xorshift64*.)
//
//go:noinline
func Work(iterations int) {
	x := uint64(0x9e3779b97f4a7c15)
	for range iterations {
		x ^= x >> 12
		x ^= x << 25
		x ^= x >> 27
	}
	workSink.Store(x * 0x2545f4914f6cdd1d)
}
