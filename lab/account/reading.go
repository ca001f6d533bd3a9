package account

import (
	"slices"
	"time"

	"runtimelab/lab"
)

// Observation is what a cell reports of one attack: its result, and the readings around it.
type Observation struct {
	lab.AttackResult
	CellReadings
}

// CellReadings holds the readings of a cell around one attack.
type CellReadings struct {
	Before        Reading `json:"before"`
	After         Reading `json:"after"`
	GeneratorCPUs []int   `json:"generator_cpus"` // CPUs in the generator's affinity mask
	// Waiting is nil if the generator polled.
	Waiting *WaitingReading `json:"waiting,omitempty"`
}

// WaitingReading holds what a generator that waits in the kernel was granted for an attack.
type WaitingReading struct {
	Slice time.Duration `json:"slice_ns"` // the longest of its threads; 0: the kernel does not tell
}

// Reading holds CPU times and counters of the machine at one moment, as seen
// from the generator's cell.
type Reading struct {
	// At is the wall time of the cell's start plus the monotonic time since: setting the wall clock
	// does not change it.
	At           time.Time     `json:"at"`
	ClockStep    time.Duration `json:"clock_step_ns"`    // how far the wall clock was set since then
	GeneratorCPU time.Duration `json:"generator_cpu_ns"` // CPU time of the generator's process so far
	Sleeps       int64         `json:"sleeps"`           // how often the generator gave up the CPU so far
	CPUs         []CPUTime     `json:"cpus"`             // every online CPU of the host
	// Services are those of the cell. Processes that belong to none are under NoService.
	Services []ServiceUsage `json:"services"`
}

// NoService is the name under which a reading has the processes that belong to no service.
const NoService = ""

// ServiceUsage holds the CPU times of the processes of one service, and of their threads.
type ServiceUsage struct {
	Name      string    `json:"name"`
	Threads   []Thread  `json:"threads"`
	Processes []Process `json:"processes"`
}

// Process holds the CPU time of one process of a service, in the cell's process
// namespace. The sum over all processes never falls when threads or processes
// end, with one exception: the time of a child whose parent ignores it (SIGCHLD)
// is lost. PID 1 stands for the processes whose parents ended before they did.
type Process struct {
	PID      int           `json:"pid"`
	CPU      time.Duration `json:"cpu_ns"`      // used so far, threads that have ended included
	Children time.Duration `json:"children_ns"` // used by all descendants that have ended
}

// Thread holds the CPU time of one thread of a service, in the cell's process
// namespace.
type Thread struct {
	PID    int           `json:"pid"`
	TID    int           `json:"tid"`
	CPU    time.Duration `json:"cpu_ns"` // used so far
	Sleeps int64         `json:"sleeps"` // how often it gave up the CPU so far
}

// CPUTime holds the times that /proc/stat counts for one CPU since boot.
type CPUTime struct {
	ID    int           `json:"id"`
	Busy  time.Duration `json:"busy_ns"` // user, nice, system, irq and softirq
	Steal time.Duration `json:"steal_ns"`
	Idle  time.Duration `json:"idle_ns"` // idle and iowait

	Interrupts time.Duration `json:"interrupts_ns"` // irq and softirq, which Busy includes
}

// Usage holds the resources that one container has used so far, as the engine
// counts them.
type Usage struct {
	At               time.Time
	CPU              time.Duration
	ThrottledPeriods int64  // periods throttled by a CPU quota of the container itself
	ThrottledAbove   int64  // the same by quotas of cgroups above the container's, if they can be read
	OOMEvents        int64  // processes that the kernel killed for memory
	MemoryPeakBytes  *int64 // nil if the kernel does not report it
}

// UsageReadings holds the usage of a service's container before and after one attack.
type UsageReadings struct{ Before, After Usage }

// service returns the usage of a service in a reading. It is empty if the reading has no such
// service.
func (r Reading) service(name string) ServiceUsage {
	i := slices.IndexFunc(r.Services, func(u ServiceUsage) bool { return u.Name == name })
	if i < 0 {
		return ServiceUsage{Name: name}
	}
	return r.Services[i]
}
