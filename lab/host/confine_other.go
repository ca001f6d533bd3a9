//go:build !linux

package host

// Confine does nothing here: the engine's CPUs are a virtual machine's, which
// this process does not run on.
func Confine([]int) error { return nil }
