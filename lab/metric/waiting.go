package metric

import (
	"time"

	"runtimelab/lab"
)

// GeneratorSliceMS returns the longest time slice of the threads of a generator that waits in the
// kernel, in milliseconds.
func GeneratorSliceMS(w lab.Window) (float64, bool) {
	if w.Accounts.Generator.Waiting == nil {
		return 0, false
	}
	slice, ok := known(w.Accounts.Generator.Waiting.Slice)
	return float64(slice) / float64(time.Millisecond), ok
}

// IdleLoopCPUSeconds returns the CPU time of the loop that keeps the CPUs of a waiting generator from
// halting; 0 if none ran. It returns false for a generator that polls.
func IdleLoopCPUSeconds(w lab.Window) (float64, bool) {
	if w.Accounts.Generator.Waiting == nil {
		return 0, false
	}
	return w.Accounts.Generator.Waiting.IdleLoop.Seconds(), true
}
