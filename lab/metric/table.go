package metric

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"runtimelab/lab"
)

// table is the columns of trials.csv in order. Ratios of CPU and of errors are
// 0 to 1, written with enough decimals that one in a million is not 0.
var table = []Metric{
	{
		"schema_version", "", Neither, Integer, 0, Identity, EveryRow, "version of these columns",
		func(lab.Sample) Value { return Int(SchemaVersion) },
	},
	{
		"run_id", "", Neither, String, 0, Identity, EveryRow, "the run: UTC start and a random suffix",
		textColumn(func(s lab.Sample) string { return s.RunID }),
	},
	{
		"row", "", Neither, Integer, 0, Identity, EveryRow, "of the run, from 1 without a gap",
		countColumn(func(s lab.Sample) int64 { return int64(s.Row) }),
	},
	{
		"started_at", "", Neither, String, 0, Identity, EveryRow, "start of the phase: RFC 3339, milliseconds, UTC",
		textColumn(startedAt),
	},
	{
		"host_id", "", Neither, String, 0, Identity, EveryRow, "hash of what identifies the machine",
		textColumn(func(s lab.Sample) string { return s.HostID }),
	},
	{
		"scenario", "", Neither, String, 0, Identity, EveryRow, "the workload and its load",
		textColumn(func(s lab.Sample) string { return s.Scenario.Name }),
	},
	{
		"scenario_sha256", "", Neither, String, 0, Identity, EveryRow, "of the scenario's script",
		textColumn(func(s lab.Sample) string { return s.Scenario.SHA256 }),
	},
	{
		"parameters", "", Neither, String, 0, Identity, ParameterRows,
		"that the script was evaluated with: name=value, by name", textColumn(parameters),
	},
	{
		"runtime", "", Neither, String, 0, Identity, EveryRow, "the image: a folder under runtimes/",
		textColumn(func(s lab.Sample) string { return s.Variant.Runtime }),
	},
	{
		"variant", "", Neither, String, 0, Identity, EveryRow, "the runtime in one configuration: node/single",
		textColumn(variantID),
	},
	{
		"runtime_version", "", Neither, String, 0, Identity, EveryRow, "as the running server reports it",
		textColumn(func(s lab.Sample) string { return s.Identity.RuntimeVersion }),
	},
	{
		"image_id", "", Neither, String, 0, Identity, EveryRow,
		"the engine's; differs between rebuilds of equal content", textColumn(func(s lab.Sample) string { return s.Image.ID }),
	},
	{
		"content_sha256", "", Neither, String, 0, Identity, EveryRow,
		"of Dockerfile, context, lockfiles, arguments and base", textColumn(func(s lab.Sample) string { return s.Image.ContentSHA256 }),
	},
	{
		"base_origin", "", Neither, String, 0, Identity, EveryRow, "image digest, or suite and package versions",
		textColumn(func(s lab.Sample) string { return s.Image.BaseOrigin }),
	},

	{
		"block", "", Neither, Integer, 0, Load, EveryRow, "one trial of every variant, from 1",
		countColumn(func(s lab.Sample) int64 { return int64(s.Trial.Block) }),
	},
	{
		"position", "", Neither, Integer, 0, Load, EveryRow, "of the trial within its block, from 1",
		countColumn(func(s lab.Sample) int64 { return int64(s.Trial.Position) }),
	},
	{
		"attempt", "", Neither, Integer, 0, Load, EveryRow, "from 1; more where a disturbed trial was repeated",
		countColumn(func(s lab.Sample) int64 { return int64(s.Trial.Attempt) }),
	},
	{
		"phase", "", Neither, String, 0, Load, EveryRow,
		"its kind, and what tells it from others of its kind in the scenario: peak, steady-50%", textColumn(phaseID),
	},
	{
		"mode", "", Neither, String, 0, Load, EveryRow,
		"closed (next request after the answer) or open (by a schedule)", textColumn(loopMode),
	},
	{
		"offered_rps", "1/s", Neither, Float, 3, Load, OpenLoopRows,
		"requests the schedule called for per second; of a ramp, on average", numberColumn(OfferedRPS),
	},
	{
		"connections", "", Neither, Integer, 0, Load, EveryRow, "closed loop: how many; open loop: at most",
		countColumn(func(s lab.Sample) int64 { return int64(s.Phase.Connections) }),
	},
	{
		"keep_alive", "", Neither, String, 0, Load, EveryRow,
		"true (requests share connections) or false (a connection for each)", textColumn(keepAlive),
	},
	{
		"duration_s", "s", Neither, Float, 6, Load, EveryRow, "first send to last answer",
		attackColumn(func(a lab.AttackResult) Value { return Number(a.Elapsed.Seconds()) }),
	},
	{
		"requests", "", Neither, Integer, 0, Load, EveryRow, "requests sent",
		attackColumn(func(a lab.AttackResult) Value { return Int(a.Sent) }),
	},

	{
		"throughput_rps", "1/s", Higher, Float, 3, Throughput, EveryRow,
		"requests that succeeded per second of duration_s; of a ladder, while all its clients are there", numberColumn(ThroughputRPS),
	},
	{
		"goodput_rps", "1/s", Higher, Float, 3, Throughput, DeadlineRows,
		"requests that succeeded within the deadline per second of duration_s", numberColumn(GoodputRPS),
	},
	{
		"capacity_rps", "1/s", Higher, Float, 3, Throughput, CapacityRows,
		"highest offered rate that kept the SLO, confirmed at fresh seeds", numberColumn(CapacityRPS),
	},
	{
		"deadline_ms", "ms", Neither, Float, 3, Load, DeadlineRows,
		"from the intended send time, that goodput keeps", numberColumn(deadlineMS),
	},
	{"error_ratio", "ratio", Lower, Float, 9, Throughput, EveryRow, "failed / sent", numberColumn(ErrorRatio)},
	{
		"failed_requests", "", Neither, Integer, 0, Throughput, EveryRow,
		"requests that failed: another answer than expected, or none in time", attackColumn(failedRequests),
	},
	{
		"latency_failed_p50_ms", "ms", Neither, Float, 6, Latency, FailureRows,
		"median of the requests that failed: corrected in an open loop, raw in a closed one", failed(p50),
	},

	{
		"latency_mean_ms", "ms", Lower, Float, 6, Latency, OpenLoopRows,
		"corrected: from the intended send time; all latencies but latency_failed are of requests that succeeded", correctedLatency(mean),
	},
	{"latency_p50_ms", "ms", Lower, Float, 6, Latency, OpenLoopRows, "corrected median", correctedLatency(p50)},
	{
		"latency_p90_ms", "ms", Lower, Float, 6, Latency, OpenLoopRows, "corrected 90th percentile",
		correctedLatency(p90),
	},
	{
		"latency_p99_ms", "ms", Lower, Float, 6, Latency, OpenLoopRows, "corrected 99th percentile",
		correctedLatency(p99),
	},
	{
		"latency_p999_ms", "ms", Lower, Float, 6, Latency, ManyRequestRows, "corrected 99.9th percentile",
		correctedLatency(p999),
	},
	{
		"latency_max_ms", "ms", Lower, Float, 6, Latency, OpenLoopRows, "corrected maximum",
		correctedLatency(maxLatency),
	},
	{
		"latency_raw_p50_ms", "ms", Lower, Float, 6, Latency, EveryRow,
		"median from the actual send time: hides queueing before the send", rawLatency(p50),
	},
	{
		"latency_raw_p99_ms", "ms", Lower, Float, 6, Latency, EveryRow, "99th percentile from the actual send time",
		rawLatency(p99),
	},
	{
		"first_byte_p50_ms", "ms", Lower, Float, 6, Latency, EveryRow,
		"median from the actual send to the first byte of the answer", firstByteLatency(p50),
	},
	{
		"first_byte_p99_ms", "ms", Lower, Float, 6, Latency, EveryRow,
		"99th percentile from the actual send to the first byte", firstByteLatency(p99),
	},
	{
		"send_lag_p99_ms", "ms", Neither, Float, 6, Load, OpenLoopRows,
		"99th percentile of actual minus intended send time", openLoopLatency(func(a lab.AttackResult) *lab.Latency { return a.SendLag }, p99),
	},
	{
		"sent_ratio", "ratio", Neither, Float, 6, Load, OpenLoopRows, "sent / called for by the schedule",
		numberColumn(SentRatio),
	},
	{
		"cold_start_ms", "ms", Lower, Float, 3, Latency, EveryRow,
		"container start to the first answer at /identity, the same in every row of a trial", numberColumn(coldStartMS),
	},

	{
		"server_cpu_s", "s", Neither, Float, 6, CPU, EveryRow, "CPU time of the server's container over the phase",
		numberColumn(ServerCPUSeconds),
	},
	{
		"cpu_us_per_request", "µs", Lower, Float, 3, CPU, EveryRow, "server_cpu_s for each request that succeeded",
		numberColumn(CPUPerRequestUS),
	},
	{
		"server_cpu_ratio", "ratio", Neither, Float, 6, CPU, EveryRow, "server_cpu_s / (duration_s x server CPUs)",
		numberColumn(ServerCPURatio),
	},
	{
		"busiest_thread_ratio", "ratio", Neither, Float, 6, CPU, EveryRow,
		"CPU time of the server's busiest thread / wall; none where one that ended meanwhile may have been busier", numberColumn(BusiestThreadRatio),
	},
	{
		"busiest_process_ratio", "ratio", Neither, Float, 6, CPU, EveryRow,
		"CPU time of the server's busiest process / of all of them; none where one that ended may have been busier", numberColumn(BusiestProcessRatio),
	},
	{
		"saturation_ratio", "ratio", Neither, Float, 6, CPU, EveryRow,
		"busiest thread, or all for each CPU, out of what others left of the server's CPUs", numberColumn(SaturationRatio),
	},
	{
		"memory_peak_mib", "MiB", Lower, Float, 3, Memory, EveryRow,
		"highest use by the server's container since its start", numberColumn(memoryPeakMiB),
	},
	{
		"throttled_periods", "", Neither, Integer, 0, CPU, EveryRow,
		"periods in which a CPU quota parked the server: of its container, or of a cgroup above", integerColumn(ThrottledPeriods),
	},
	{
		"oom_events", "", Lower, Integer, 0, Memory, EveryRow,
		"processes of the server that the kernel killed for memory", integerColumn(OOMEvents),
	},
	{
		"generator_cpu_ratio", "ratio", Neither, Float, 6, CPU, EveryRow,
		"generator's CPU time but for what it had to spare / (duration_s x generator CPUs)", numberColumn(GeneratorCPURatio),
	},
	{
		"foreign_generator_ratio", "ratio", Neither, Float, 6, CPU, EveryRow,
		"time of the generator's CPUs that was neither idle nor its own", numberColumn(ForeignGeneratorRatio),
	},
	{
		"foreign_server_ratio", "ratio", Neither, Float, 6, CPU, EveryRow,
		"time of the server's CPUs that was neither idle nor its container's", numberColumn(ForeignServerRatio),
	},
	{
		"foreign_cpu_ratio", "ratio", Neither, Float, 6, CPU, EveryRow, "the larger of the two",
		numberColumn(ForeignCPURatio),
	},
	{
		"upstream_hits", "", Neither, Integer, 0, Load, UpstreamRows,
		"calls that the lab's upstream answered during the phase", integerColumn(upstreamHits),
	},
	{
		"upstream_cpu_ratio", "ratio", Neither, Float, 6, CPU, UpstreamRows,
		"upstream's CPU time / time of its CPUs, which are the generator's", numberColumn(UpstreamCPURatio),
	},
	{
		"steal_ratio", "ratio", Neither, Float, 6, CPU, EveryRow, "time of the CPUs used that the hypervisor took",
		numberColumn(StealRatio),
	},
	{
		"canary_max_ms", "ms", Neither, Float, 6, CPU, EveryRow,
		"longest that a fixed piece of CPU work took on a CPU of the trial, before or after", numberColumn(CanaryMaxMS),
	},
	{
		"doubling_gain_ratio", "ratio", Neither, Float, 6, Load, UnsaturatedPeakRows,
		"what the same peak on twice the connections brought more", numberColumn(DoublingGain),
	},

	{
		"warmup_s", "s", Neither, Float, 6, Load, WarmedUpRows, "how long the discarded warm-up took",
		warmUpColumn(func(a lab.AttackResult) Value { return Number(a.Elapsed.Seconds()) }),
	},
	{
		"warmup_end", "", Neither, String, 0, Load, WarmedUpRows, "why it ended: steady (throughput was) or budget",
		warmUpColumn(func(a lab.AttackResult) Value { return Text(a.WarmUpEnd) }),
	},
	{
		"drift_ratio", "ratio", Neither, Float, 6, Load, DriftRows,
		"throughput of the later half of the phase's seconds / the earlier half's - 1: 0 of what is steady", numberColumn(DriftRatio),
	},
	{
		"gil", "", Neither, String, 0, Identity, EveryRow,
		"global interpreter lock: on, off, none (the runtime has none)", textColumn(gilState),
	},

	{
		"workers", "", Neither, Integer, 0, Identity, EveryRow,
		"processes that accept requests, as the running server reports it", countColumn(func(s lab.Sample) int64 { return int64(s.Identity.Workers) }),
	},
	{
		"server_cpus", "", Neither, Integer, 0, Identity, EveryRow, "CPUs that the server was given",
		countColumn(func(s lab.Sample) int64 { return int64(len(s.Layout.Server)) }),
	},
	{
		"service_mean_ms", "ms", Neither, Float, 6, Latency, ReferenceRows,
		"a reference server's mean service time by its own clock", numberColumn(ServiceMeanMS),
	},
	{
		"slo", "", Neither, String, 0, Latency, ObjectiveRows,
		"met, or missed: the objectives with their values, or unknown: the metrics without a value", textColumn(sloState),
	},

	{
		"validity", "", Neither, String, 0, Validity, EveryRow,
		"valid, censored (a bound), disturbed (from outside) or failed", textColumn(func(s lab.Sample) string { return string(s.Gate.Validity) }),
	},
	{
		"validity_reason", "", Neither, String, 0, Validity, InvalidRows,
		"why not valid, with the number that decided", textColumn(func(s lab.Sample) string { return s.Gate.Reason }),
	},
}

// What follows turns a part of a sample into a cell, or a missing one.

func textColumn(of func(lab.Sample) string) func(lab.Sample) Value {
	return func(s lab.Sample) Value { return Text(of(s)) }
}

// countColumn is for what is numbered or counted from 1: 0 is missing.
func countColumn(of func(lab.Sample) int64) func(lab.Sample) Value {
	return func(s lab.Sample) Value {
		if n := of(s); n > 0 {
			return Int(n)
		}
		return Value{}
	}
}

func numberColumn(of func(lab.Sample) (float64, bool)) func(lab.Sample) Value {
	return func(s lab.Sample) Value {
		if f, ok := of(s); ok {
			return Number(f)
		}
		return Value{}
	}
}

func integerColumn(of func(lab.Sample) (int64, bool)) func(lab.Sample) Value {
	return func(s lab.Sample) Value {
		if n, ok := of(s); ok {
			return Int(n)
		}
		return Value{}
	}
}

func attackColumn(of func(lab.AttackResult) Value) func(lab.Sample) Value {
	return func(s lab.Sample) Value {
		if s.Attack == nil {
			return Value{}
		}
		return of(*s.Attack)
	}
}

func warmUpColumn(of func(lab.AttackResult) Value) func(lab.Sample) Value {
	return func(s lab.Sample) Value {
		if s.WarmUp == nil {
			return Value{}
		}
		return of(*s.WarmUp)
	}
}

func rawLatency(of func(lab.Latency) *float64) func(lab.Sample) Value {
	return latencyBelowOverload(func(a lab.AttackResult) *lab.Latency { return a.Raw }, of)
}

func firstByteLatency(of func(lab.Latency) *float64) func(lab.Sample) Value {
	return latencyBelowOverload(func(a lab.AttackResult) *lab.Latency { return a.FirstByte }, of)
}

func correctedLatency(of func(lab.Latency) *float64) func(lab.Sample) Value {
	return openLoopLatency(func(a lab.AttackResult) *lab.Latency { return a.Corrected }, of)
}

// openLoopLatency is for what only a schedule gives a meaning: missing in a closed loop
// whatever the attack result holds.
func openLoopLatency(which func(lab.AttackResult) *lab.Latency,
	of func(lab.Latency) *float64,
) func(lab.Sample) Value {
	value := latencyBelowOverload(which, of)
	return func(s lab.Sample) Value {
		if !IsOpenLoop(s) {
			return Value{}
		}
		return value(s)
	}
}

// latencyBelowOverload is missing in an overload, where a latency depends on how long one
// looked.
func latencyBelowOverload(which func(lab.AttackResult) *lab.Latency,
	of func(lab.Latency) *float64,
) func(lab.Sample) Value {
	return func(s lab.Sample) Value {
		if s.Attack == nil || s.Phase.Overloads() {
			return Value{}
		}
		return latencyValue(which(*s.Attack), of)
	}
}

func latencyValue(l *lab.Latency, of func(lab.Latency) *float64) Value {
	if l == nil || l.Count <= 0 {
		return Value{}
	}
	if ms := of(*l); ms != nil {
		return Number(*ms)
	}
	return Value{}
}

func mean(l lab.Latency) *float64       { return &l.MeanMS }
func p50(l lab.Latency) *float64        { return l.P50MS }
func p90(l lab.Latency) *float64        { return l.P90MS }
func p99(l lab.Latency) *float64        { return l.P99MS }
func p999(l lab.Latency) *float64       { return l.P999MS }
func maxLatency(l lab.Latency) *float64 { return &l.MaxMS }

func startedAt(s lab.Sample) string {
	if s.StartedAt.IsZero() {
		return ""
	}
	return FormatTimestamp(s.StartedAt)
}

// FormatTimestamp is how every file of a run writes a moment: RFC 3339 in UTC with
// milliseconds.
func FormatTimestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

func variantID(s lab.Sample) string {
	if s.Variant.Name == "" {
		return s.Trial.Variant
	}
	return s.Variant.ID()
}

// loopMode is how the phase offers its load.
func loopMode(s lab.Sample) string {
	switch {
	case s.Phase.Kind == "":
		return ""
	case IsOpenLoop(s):
		return "open"
	}
	return "closed"
}

func parameters(s lab.Sample) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(s.Scenario.Parameters)) {
		all = append(all, name+"="+s.Scenario.Parameters[name])
	}
	return strings.Join(all, " ")
}

func keepAlive(s lab.Sample) string {
	if s.Phase.Kind == "" {
		return ""
	}
	return strconv.FormatBool(!s.Phase.ConnectionPerRequest)
}

func phaseID(s lab.Sample) string { return s.Phase.ID() }

func deadlineMS(s lab.Sample) (float64, bool) {
	return 1000 * s.Phase.DeadlineS, IsOpenLoop(s) && s.Phase.DeadlineS > 0
}

func upstreamHits(s lab.Sample) (int64, bool) {
	if s.Upstream == nil {
		return 0, false
	}
	return s.Upstream.Calls, true
}

func sloState(s lab.Sample) string {
	switch {
	case s.Attack == nil || len(s.Phase.Objectives) == 0:
		return ""
	case len(s.MissedObjectives) > 0:
		return "missed: " + strings.Join(s.MissedObjectives, ", ")
	case len(s.MetricsWithoutValue) > 0:
		return "unknown: " + strings.Join(s.MetricsWithoutValue, ", ")
	}
	return "met"
}

func coldStartMS(s lab.Sample) (float64, bool) {
	if s.ColdStart == nil {
		return 0, false
	}
	return float64(*s.ColdStart) / float64(time.Millisecond), true
}

func memoryPeakMiB(s lab.Sample) (float64, bool) {
	if !s.ServerUsage.Known || s.ServerUsage.After.MemoryPeakBytes == nil {
		return 0, false
	}
	return float64(*s.ServerUsage.After.MemoryPeakBytes) / (1 << 20), true
}

// gilState is missing only while the server has not been asked: a runtime without
// one says so.
func gilState(s lab.Sample) string {
	switch {
	case s.Identity.GIL != nil && *s.Identity.GIL:
		return "on"
	case s.Identity.GIL != nil:
		return "off"
	case s.Identity.RuntimeVersion != "":
		return "none"
	}
	return ""
}
