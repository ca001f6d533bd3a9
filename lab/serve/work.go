package serve

import "sync/atomic"

var workSink atomic.Uint64

// Work does a fixed amount of CPU work: iterations steps of a xorshift generator, about
// 1 ns each. Each step needs the one before and uses registers only, so that equal CPUs
// take equal time. Work stores the result, so that the compiler keeps the loop.
// (Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8(14), 2003; the
// multiplier is that of xorshift64*.)
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
