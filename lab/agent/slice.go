package agent

import (
	"time"

	"runtimelab/lab"
)

// shortenSlices gives the generator's threads a short time slice for an attack in which it waits in the
// kernel. It returns a function that ends that.
//
// With the default slice, a thread that wakes up may wait until the slice of a busy service on its CPU
// ends. It then sends several requests together, which cost the server less. With a short one it gets
// the CPU at once. What the kernel refuses shows in the slice that is read after the attack.
func (m Machine) shortenSlices() (end func()) {
	_ = m.setSlice(lab.WaitingSlice)
	return func() { _ = m.setSlice(0) }
}

// grantedSlice returns the longest time slice of the generator's threads; 0 if it is unknown.
func (m Machine) grantedSlice() time.Duration {
	slice, err := m.longestSlice()
	if err != nil {
		return 0
	}
	return slice
}
