package host

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

func osReleaseName() string {
	if name := thisDistribution().Name; name != "" {
		return name
	}
	return "Linux"
}

// loadAverages returns nil if /proc/loadavg cannot be read.
func loadAverages() *[3]float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return nil
	}
	var load [3]float64
	if _, err := fmt.Sscan(string(text), &load[0], &load[1], &load[2]); err != nil {
		return nil
	}
	return &load
}

// cpuTicks returns nil if /proc/stat cannot be read.
func cpuTicks() *cpuTimes {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return nil
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return parseTicks(line)
}

// parseTicks parses the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq,
// steal. The time of guests is included in user.
func parseTicks(line string) *cpuTimes {
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return nil
	}
	var t cpuTimes
	for i, field := range fields[1:9] {
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return nil
		}
		t.total += n
		switch i {
		case 3, 4:
		case 7:
			t.steal = n
		default:
			t.busy += n
		}
	}
	return &t
}
