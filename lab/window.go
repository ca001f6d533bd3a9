package lab

import "time"

// Window is one period of load: what was offered, what came back, and what it cost
// each party. Figures are functions of a window: the measured one of a sample, the
// one on twice the connections, or that of a search's step.
type Window struct {
	Phase    Phase // the phase that it belongs to, with the rate and the connections that were offered
	Layout   Layout
	Attack   AttackResult
	Accounts Accounts
	// ServiceTimes are those of a reference server; nil for other servers.
	ServiceTimes *ServiceTimes
}

// Accounts holds what each party of a trial used during one window, and what the
// machine's CPUs did meanwhile. A pointer is nil if its value is unknown: it could
// not be read, or its counter fell. Unless stated otherwise, values are those between
// the generator's readings, which lie just outside of the attack.
type Accounts struct {
	WallTime time.Duration // between the generator's readings
	// ClockStep is how far the machine's wall clock was set from the cell's start to the second reading.
	ClockStep time.Duration
	Generator GeneratorAccount
	Server    ServiceAccount   // the sum of Replicas if the trial has several servers
	Replicas  []ServiceAccount // nil with one server
	Beside    []ServiceAccount // services of other roles, in the order of the trial
	// Unattributed is the CPU time of processes in the cell that belong to no service.
	Unattributed time.Duration
	CPUs         []CPUAccount // the machine's CPUs that both readings have
}

// GeneratorAccount holds what the generator used.
type GeneratorAccount struct {
	CPUs   []int          // its affinity mask
	CPU    *time.Duration // CPU time, idle polling included; unknown without time between the readings
	Sleeps *int64         // how often it gave up the CPU
	// Waiting is nil if it polled. Earlier labs recorded none.
	Waiting *WaitingAccount
}

// WaitingAccount holds how ready a generator was that waited in the kernel.
type WaitingAccount struct {
	Slice *time.Duration // the longest time slice of its threads; unknown before Linux 6.12
	// IdleLoop is the CPU time of the loop that keeps its CPUs from halting; 0: none ran.
	IdleLoop time.Duration
}

// ServiceAccount holds what one service used.
type ServiceAccount struct {
	Role Role
	Name string
	CPUs []int // on which it may run
	// CPU is the CPU time, with that of threads and processes that ended meanwhile. It is unknown if the
	// service had ended by the second reading, or without time between the readings.
	CPU    *time.Duration
	Ended  bool  // no thread was left at the second reading
	Sleeps int64 // how often its threads gave up the CPU
	// Threads and Processes are those that were left at the second reading.
	Threads, Processes CPUSum
	Container          *ContainerAccount
	// calls that it answered from just before to just after the attack, if it counts them
	Calls *int64
	// Counts are those between its readings, which lie just outside of the attack. Unbalanced is that of
	// the last reading.
	Counts *DatabaseCounts
}

// CPUSum holds the CPU times of several threads or processes.
type CPUSum struct{ Total, Largest time.Duration }

// ContainerAccount holds what a service's container used between its own readings,
// which lie outside of the generator's.
type ContainerAccount struct {
	CPU              *time.Duration
	ThrottledPeriods *int64 // periods throttled by a CPU quota of the container itself
	ThrottledAbove   *int64 // the same by quotas of cgroups above the container's, if they can be read
	OOMEvents        *int64 // processes that the kernel killed for memory
	MemoryPeakBytes  *int64 // since the container's start
}

// CPUAccount holds what one CPU of the machine did, as far as /proc/stat counts it.
type CPUAccount struct {
	ID                int
	Idle              *time.Duration
	Steal, Interrupts *time.Duration
	// Uncharged is the time that the kernel charges to no thread: Idle, and Interrupts on kernels that
	// account for them separately.
	Uncharged *time.Duration
}

// ServiceTimes holds service times that a reference server measured itself: from
// the request it has read to the answer it has written, by its monotonic clock. Time
// in its queue is not included.
type ServiceTimes struct {
	Count  int64         `json:"count"`
	Mean   time.Duration `json:"mean_ns"`
	Median time.Duration `json:"p50_ns"`
	P99    time.Duration `json:"p99_ns"`
	Max    time.Duration `json:"max_ns"`
}
