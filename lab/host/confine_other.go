//go:build !linux

package host

// PinToCPUs does nothing on this system: the engine's CPUs belong to a virtual machine, in which
// this process does not run.
func PinToCPUs([]int) error { return nil }
