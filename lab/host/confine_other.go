//go:build !linux

package host

// PinToCPUs does nothing here: the engine's CPUs are a virtual machine's, which
// this process does not run on.
func PinToCPUs([]int) error { return nil }
