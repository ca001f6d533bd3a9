package lab

import "time"

// Attack is one phase of load as the generator is told to carry it out.
type Attack struct {
	Name    string    `json:"name"` // "json node/single block 2 peak", for messages
	BaseURL string    `json:"base_url"`
	Kind    PhaseKind `json:"kind"`
	Targets []Target  `json:"targets"`
	// closed loop: how many; open loop: at most
	Connections int `json:"connections"`
	// a connection for each request instead of keep-alive
	ConnectionPerRequest bool `json:"connection_per_request,omitempty"`
	// open loop: the rate over time, one stage after another
	Rate     []Stage       `json:"rate,omitempty"`
	Arrivals Arrivals      `json:"arrivals,omitempty"` // open loop
	Duration time.Duration `json:"duration_ns"`
	Timeout  time.Duration `json:"timeout_ns"` // of one request
	Seed     uint64        `json:"seed"`
	// spool every hit, to be read after the attack
	KeepHits bool `json:"keep_hits,omitempty"`

	Deadline time.Duration `json:"deadline_ns,omitempty"` // answers within it are in time; 0: there is none
	// the generator shares its CPU, and sleeps when it has nothing to do
	SleepWhenIdle bool `json:"sleeps,omitempty"`
	// sent once beside the load, on a connection of its own
	SideRequest *Request `json:"witness,omitempty"`
}

// Stage is a stretch of an open loop in which the rate goes in a straight line
// from one value to another; equal values are a constant rate. The rate after
// the last stage is where that ended.
type Stage struct {
	FromRPS  float64       `json:"from_rps"`
	ToRPS    float64       `json:"to_rps"`
	Duration time.Duration `json:"lasts_ns"`
}

// Hit is one request of an attack and how it went, as Vegeta tells it.
type Hit struct {
	Seq         uint64
	SentAt      time.Time // sent
	Latency     time.Duration
	FirstByte   time.Duration // send to first byte of the answer; 0 when none came
	TargetIndex int           // index in the attack's targets
	Status      int           // 0 when no answer came
	BytesIn     int64         // of the body
	Error       string        // empty when the answer was the target's
}

// Target is a request and the answer that counts as success: any other status
// or body is an error of the server.
type Target struct {
	Request Request `json:"request"`
	Status  int     `json:"status"`
	Body    []byte  `json:"body"`
}

// AttackResult is what the generator saw during one attack. Latencies are those of
// hits that succeeded. In an open loop they are taken from the intended send time
// (corrected) and from the actual one (raw); a closed loop has no schedule and only
// raw ones. Those of requests in the background are left out.
type AttackResult struct {
	StartedAt time.Time `json:"started_at"` // the cell's clock
	// first send to last answer; to the end of sending where no answer comes as late
	Elapsed time.Duration `json:"elapsed_ns"`
	// after the first send, when all of a ladder's clients have come
	ClientRampUp time.Duration `json:"settled_ns,omitempty"`
	// ladder only: successes per second while all clients are present
	LadderRPS float64 `json:"ladder_rps,omitempty"`
	// hits the schedule called for; closed loop: hits sent
	Intended  int64          `json:"intended"`
	Sent      int64          `json:"sent"`
	Succeeded int64          `json:"succeeded"`
	Errors    map[string]int `json:"errors,omitempty"` // reason to count, most frequent reasons only
	Failed    int64          `json:"failed"`
	// succeeded within the attack's deadline, from the intended send time
	WithinDeadline int64 `json:"in_time,omitempty"`
	// body bytes received, those of failed hits included
	BytesIn           int64    `json:"bytes_in"`
	BytesOut          int64    `json:"bytes_out"`          // body bytes sent
	ConnectionsOpened int64    `json:"dialled"`            // connections opened
	WarmUpEnd         string   `json:"warm_end,omitempty"` // warm-up only: "steady" or "budget"
	Corrected         *Latency `json:"corrected,omitempty"`
	Raw               *Latency `json:"raw,omitempty"`
	SendLag           *Latency `json:"send_lag,omitempty"` // of all hits
	// from the actual send to the first byte of the answer
	FirstByte     *Latency      `json:"first_byte,omitempty"`
	Failures      *Latency      `json:"failures,omitempty"`  // of hits that failed, as in Bucket
	KeptHits      int64         `json:"kept_hits,omitempty"` // spooled, to be read after the attack
	Buckets       []Bucket      `json:"buckets"`
	IdlePolling   time.Duration `json:"spare_ns"` // for which the generator had nothing to do but to look
	Before        Reading       `json:"before"`
	After         Reading       `json:"after"`
	GeneratorCPUs []int         `json:"generator_cpus"` // affinity that the generator found itself with
	SideAnswer    *Answer       `json:"witnessed,omitempty"`
}

// Latency summarises a histogram. Quantiles that the count cannot support are
// nil: at least ten samples must lie beyond one.
type Latency struct {
	Count  int64    `json:"count"`
	MeanMS float64  `json:"mean_ms"`
	P50MS  *float64 `json:"p50_ms"`
	P90MS  *float64 `json:"p90_ms"`
	P99MS  *float64 `json:"p99_ms"`
	P999MS *float64 `json:"p999_ms"`
	MaxMS  float64  `json:"max_ms"`
	HDR    []byte   `json:"hdr"` // V2 compressed HdrHistogram, nanoseconds, 3 significant digits
}

// Bucket is one second of an attack.
type Bucket struct {
	Second    int      `json:"second"` // from 0
	Sent      int64    `json:"sent"`
	Succeeded int64    `json:"succeeded"` // answered in this second
	Failed    int64    `json:"failed"`
	P50MS     *float64 `json:"p50_ms"` // of successes: corrected where there is a schedule, raw elsewhere
	P99MS     *float64 `json:"p99_ms"`
}

// Reading is the machine at one moment, as the generator's cell sees it.
type Reading struct {
	At           time.Time     `json:"at"`               // by a clock that nobody sets after the cell's start
	ClockStep    time.Duration `json:"clock_step_ns"`    // by how much the time of day was set since
	GeneratorCPU time.Duration `json:"generator_cpu_ns"` // used so far by the generator's process
	UpstreamCPU  time.Duration `json:"upstream_cpu_ns"`  // used so far by the upstream's, where the cell has one
	CPUs         []CPUTime     `json:"cpus"`             // of the whole host, every online CPU
	Sleeps       int64         `json:"sleeps"`           // how often these two gave up the CPU so far
	Threads      []Thread      `json:"threads"`          // of every server in the cell
	Processes    []Process     `json:"processes"`        // of every server in the cell
}

// Process is the account of one process of a server, in the cell's process namespace. The sum over
// all of them only grows, whatever threads and processes end, with one exception: nobody accounts
// for a process whose parent does not wait for it.
type Process struct {
	PID      int           `json:"pid"`
	CPU      time.Duration `json:"cpu_ns"`      // used so far, threads that have ended included
	Children time.Duration `json:"children_ns"` // used by children that have ended, and by theirs
}

// Thread is the account of one thread of a server, in the cell's process
// namespace.
type Thread struct {
	PID    int           `json:"pid"`
	TID    int           `json:"tid"`
	CPU    time.Duration `json:"cpu_ns"` // used so far
	Sleeps int64         `json:"sleeps"` // how often it gave up the CPU so far
}

// Canary is a fixed piece of CPU work, done once on one CPU: what slows it
// down slows down everything there.
type Canary struct {
	CPU      int           `json:"cpu"`
	WallTime time.Duration `json:"took_ns"` // from start to end
	// CPU time of its own thread: less than Took when it had to wait for the CPU
	ThreadCPUTime time.Duration `json:"used_ns"`
	Idle          time.Duration `json:"idle_ns"` // for which its CPU had nothing to do meanwhile, to 10 ms
}

// CPUTime is /proc/stat's account of one CPU since boot.
type CPUTime struct {
	ID    int           `json:"id"`
	Busy  time.Duration `json:"busy_ns"` // user, nice, system, irq and softirq
	Steal time.Duration `json:"steal_ns"`
	Idle  time.Duration `json:"idle_ns"` // idle and iowait

	Interrupts time.Duration `json:"interrupts_ns"` // the irq and softirq of Busy
}

// Usage is what the engine accounts to one container at one moment.
type Usage struct {
	At               time.Time
	CPU              time.Duration // used so far
	ThrottledPeriods int64         // by a CPU quota of the container itself
	ThrottledAbove   int64         // by quotas of cgroups above the container's, where these can be read
	OOMEvents        int64         // processes that the kernel killed for memory so far
	MemoryPeakBytes  *int64        // nil where the kernel's interface does not say
}
