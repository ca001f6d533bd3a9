package host

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

func osReleaseName() string {
	version, err := unix.Sysctl("kern.osproductversion")
	if err != nil {
		return "macOS"
	}
	return "macOS " + version
}

// loadAverages parses struct loadavg: three fixed-point numbers, then their scale as a long. It
// returns nil if they cannot be read.
func loadAverages() *[3]float64 {
	raw, err := unix.SysctlRaw("vm.loadavg")
	if err != nil || len(raw) < 24 {
		return nil
	}
	scale := float64(binary.LittleEndian.Uint64(raw[16:24]))
	if scale == 0 {
		return nil
	}
	var load [3]float64
	for i := range load {
		load[i] = float64(binary.LittleEndian.Uint32(raw[4*i:])) / scale
	}
	return &load
}

// cpuTicks returns nil: macOS gives CPU times through Mach calls only.
func cpuTicks() *cpuTimes { return nil }
