package gate

import (
	"time"

	"runtimelab/lab/metric"
)

const (
	// MinServerSaturation is the saturation at which the server counts as the limit of a peak.
	// MaxDoublingGain is the gain on twice the connections below which a peak counts although the
	// server's CPUs are not saturated: something else in the server is its limit (lab/METHOD.md,
	// "Censored: unsaturated").
	MinServerSaturation = 0.95
	MaxDoublingGain     = 0.03

	// CeilingThreshold is the share of the generator's calibrated ceiling from which the generator may
	// limit the throughput. The ceiling itself varies by up to a tenth between attacks (lab calibrate).
	CeilingThreshold = 0.90

	// GeneratorCPUThreshold is the share of its CPUs from which the generator may be the limit. At 90 %
	// of a core its own queueing shows in latencies: waiting time grows with 1/(1-utilisation).
	GeneratorCPUThreshold = 0.90

	// MaxForeignCPU is the share of either side's CPUs that other work may use. It lies between the 5 %
	// from which a neighbour counts and the 10 % at which the gate must find it. Without a neighbour the
	// lab reads less than 3 % (make bench, BenchmarkNeighbour).
	MaxForeignCPU = 0.075

	// CanaryTolerance multiplies the 99th percentile of the baseline. Without it, 1 % of canaries, or
	// one phase in 25, would be disturbed by definition.
	CanaryTolerance = 1.05

	// CanaryWindow and MinCanaries are the most and the least canaries on a CPU that form its baseline.
	// It follows the run because a machine's speed changes within an hour by more than canaries in a row
	// differ. A change that lasts for a whole block cancels out in ratios.
	CanaryWindow = 40
	MinCanaries  = 20

	// MaxCanaryStop is for how long a canary may be stopped while its CPU is idle. Idle time is read to
	// 10 ms at either end. A CPU quota stops a canary for the rest of a period of 100 ms by default.
	MaxCanaryStop = 20 * time.Millisecond

	// MaxGeneratorIdle is the share of idle time that a polling generator may leave its CPUs. It should
	// leave none. The limit is the one for other work, which takes time from the server in the same way.
	MaxGeneratorIdle = MaxForeignCPU

	// MaxSharedGeneratorCPU is the share of a CPU that the generator and services on its CPUs may use if
	// the CPU is also one of the server's.
	MaxSharedGeneratorCPU = 0.02

	// MaxSendLagShare is the share of a latency up to which a generator that waits in the kernel may be
	// late. The 99th percentile of its lateness counts, as calibrated.
	MaxSendLagShare = metric.MaxSendLagShare

	// MaxServiceThreadCPU is the share of one CPU from which the busiest thread of a service is its
	// limit: requests wait for that thread, however many CPUs the service has. The limit of a service's
	// CPUs is that of its role (lab.RoleTraits.MaxCPU).
	MaxServiceThreadCPU = MinServerSaturation

	// MaxUnattributedCPU is how much of a CPU processes may use that belong to no service. The limit is
	// the one for other work: the server's figures are not known better.
	MaxUnattributedCPU = MaxForeignCPU

	// MaxClockStep is by how much the machine's wall clock may be set during a trial. Slewing changes the
	// monotonic clock that it is compared with in the same way (clock_gettime(2)).
	MaxClockStep = 50 * time.Millisecond

	// MaxRateGap is how far above a capacity the next, missed rate may lie for the capacity to be a
	// figure and not a bound. A search lowers an unconfirmed rate by the same factor.
	MaxRateGap = 1.10

	// MinOverload is the part of the intended excess over the server's peak that must remain unserved.
	// Otherwise the phase was no overload.
	MinOverload = 0.5

	// There is no limit for steal: a server can cause it. On a virtual machine whose exits to idle are
	// slow, a ping-pong between two otherwise unused CPUs reads 35 % steal; a busy loop on both reads
	// 1 %. Steal from a busy CPU is part of MaxForeignCPU.
)
