package lab

import "time"

// Attack describes one phase of load for the generator.
type Attack struct {
	Name    string    `json:"name"` // "json node/single block 2 peak", for messages
	BaseURL string    `json:"base_url"`
	Kind    PhaseKind `json:"kind"`
	Targets []Target  `json:"targets"`
	// Generator is what sends the hits.
	Generator Generator `json:"generator"`
	// Connections is the number of connections in a closed loop, and the most in an open loop.
	Connections int `json:"connections"`
	// ConnectionPerRequest opens a connection for each request instead of using keep-alive.
	ConnectionPerRequest bool `json:"connection_per_request,omitempty"`
	// Rate is the offered rate of an open loop over time, one stage after another.
	Rate     []Stage       `json:"rate,omitempty"`
	Arrivals Arrivals      `json:"arrivals,omitempty"` // open loop only
	Duration time.Duration `json:"duration_ns"`
	Timeout  time.Duration `json:"timeout_ns"` // of one request
	Seed     uint64        `json:"seed"`
	// KeepHits spools every hit, so that it can be read after the attack.
	KeepHits bool `json:"keep_hits,omitempty"`

	// Deadline is the time within which an answer counts as goodput; 0: there is no deadline.
	Deadline time.Duration `json:"deadline_ns,omitempty"`
	// SleepWhenIdle makes the generator wait in the kernel while it has nothing to do, because it shares
	// its CPU with something that is measured. Otherwise it polls.
	SleepWhenIdle bool `json:"sleeps,omitempty"`
	// SideRequest is sent once during the attack on its own connection. Its answer is SideAnswer.
	SideRequest *Request `json:"witness,omitempty"`
}

// Stage is a part of an open loop whose rate changes linearly from FromRPS to
// ToRPS. After the last stage the rate stays at its ToRPS.
type Stage struct {
	FromRPS  float64       `json:"from_rps"`
	ToRPS    float64       `json:"to_rps"`
	Duration time.Duration `json:"lasts_ns"`
}

// Hit records one request of an attack: when it was sent, how long it took and
// what came back.
type Hit struct {
	Seq         uint64
	SentAt      time.Time
	Latency     time.Duration
	FirstByte   time.Duration // from the send to the first byte of the answer; 0 if no byte came
	TargetIndex int           // index in Attack.Targets
	Status      int           // 0 if no answer came
	BytesIn     int64         // of the body
	Error       string        // empty if the answer was the one that the target expects
}

// Target is a request and the answer that counts as success. Any other status or
// body is an error of the server, and so is what breaks the request's Expectation.
type Target struct {
	Request Request `json:"request"`
	Status  int     `json:"status"` // 0, before the first answer only: any that Request.Accepts
	Body    []byte  `json:"body"`   // only if Request.HasExactBody
}

// AnyStatus is the status of a target that any first answer is correct for.
const AnyStatus = -1

// AttackResult reports one attack as the generator measured it. Latencies are
// those of hits that succeeded. Corrected latencies count from the intended send
// time, raw ones from the actual one; a closed loop has raw ones only. Background
// requests are not timed.
type AttackResult struct {
	StartedAt time.Time `json:"started_at"` // by the cell's clock
	// Elapsed is the time from the first send to the last answer, or to the end of sending if the last
	// answers never came.
	Elapsed time.Duration `json:"elapsed_ns"`
	// ClientRampUp is the time from the first send until all clients of a ladder were present.
	ClientRampUp time.Duration `json:"settled_ns,omitempty"`
	// LadderRPS is the successes per second while all clients of a ladder were present.
	LadderRPS float64 `json:"ladder_rps,omitempty"`
	HitCounts
	Errors    map[string]int `json:"errors,omitempty"`   // count by reason, most frequent reasons only
	WarmUpEnd string         `json:"warm_end,omitempty"` // warm-up only: "steady" or "budget"
	Latencies
	KeptHits int64    `json:"kept_hits,omitempty"` // hits that KeepHits spooled
	Buckets  []Bucket `json:"buckets"`
	// IdlePolling is the time in which the generator polled and found no work.
	IdlePolling time.Duration `json:"spare_ns"`
	SideAnswer  *Answer       `json:"witnessed,omitempty"`
}

// HitCounts counts the hits of an attack, and what they moved.
type HitCounts struct {
	// Intended is the number of hits in the schedule; in a closed loop, of hits sent.
	Intended  int64 `json:"intended"`
	Sent      int64 `json:"sent"`
	Succeeded int64 `json:"succeeded"`
	Failed    int64 `json:"failed"`
	// WithinDeadline is the number of hits that succeeded within Attack.Deadline, from the intended
	// send time.
	WithinDeadline    int64 `json:"in_time,omitempty"`
	BytesIn           int64 `json:"bytes_in"`  // body bytes received, those of failed hits included
	BytesOut          int64 `json:"bytes_out"` // body bytes sent
	ConnectionsOpened int64 `json:"dialled"`
}

// Latencies holds the latencies of an attack. One without hits is nil.
type Latencies struct {
	Corrected *Latency `json:"corrected,omitempty"`
	Raw       *Latency `json:"raw,omitempty"`
	SendLag   *Latency `json:"send_lag,omitempty"` // of all hits
	// FirstByte is the time from the actual send to the first byte of the answer.
	FirstByte *Latency `json:"first_byte,omitempty"`
	// Failures is the latency of hits that failed: corrected in an open loop, raw in a closed one.
	Failures *Latency `json:"failures,omitempty"`
}

// Latency summarises a histogram. A quantile is nil if fewer than ten samples
// lie beyond it.
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

// Bucket holds the figures of one second of an attack.
type Bucket struct {
	Second    int      `json:"second"` // from 0
	Sent      int64    `json:"sent"`
	Succeeded int64    `json:"succeeded"` // answered in this second
	Failed    int64    `json:"failed"`
	P50MS     *float64 `json:"p50_ms"` // of successes: corrected in an open loop, raw in a closed one
	P99MS     *float64 `json:"p99_ms"`
}

// Canary reports how long a fixed piece of CPU work took on one CPU. A slow
// canary means that something else used or throttled that CPU.
type Canary struct {
	CPU      int           `json:"cpu"`
	WallTime time.Duration `json:"took_ns"` // from start to end
	// ThreadCPUTime is the CPU time of the canary's thread. It is less than WallTime if the thread had
	// to wait for the CPU.
	ThreadCPUTime time.Duration `json:"used_ns"`
	Idle          time.Duration `json:"idle_ns"` // idle time of the CPU meanwhile, to 10 ms
}
