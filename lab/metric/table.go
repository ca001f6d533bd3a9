package metric

import (
	"strings"

	"runtimelab/lab"
)

// table lists the columns of trials.csv in order. Ratios of CPU time and of errors are 0
// to 1, with enough decimals that one in a million is not written as 0.
var table = []Metric{
	{
		"schema_version", "", Neither, Integer, 0, Identity, EveryRow,
		"version of these columns",
		countColumn(func(lab.Sample) int64 { return SchemaVersion }),
	},
	{
		"run_id", "", Neither, String, 0, Identity, EveryRow,
		"id of the run: UTC start and a random suffix",
		textColumn(func(s lab.Sample) string { return s.RunID }),
	},
	{
		"row", "", Neither, Integer, 0, Identity, EveryRow,
		"row number in the run, from 1 without gaps",
		countColumn(func(s lab.Sample) int64 { return int64(s.Row) }),
	},
	{
		"started_at", "", Neither, String, 0, Identity, EveryRow,
		"start of the phase: RFC 3339, milliseconds, UTC",
		textColumn(startedAt),
	},
	{
		"host_id", "", Neither, String, 0, Identity, EveryRow,
		"hash that identifies the machine",
		textColumn(func(s lab.Sample) string { return s.HostID }),
	},
	{
		"scenario", "", Neither, String, 0, Identity, EveryRow,
		"name of the scenario",
		textColumn(func(s lab.Sample) string { return s.Scenario.Name }),
	},
	{
		"scenario_sha256", "", Neither, String, 0, Identity, EveryRow,
		"hash of the scenario's script",
		textColumn(func(s lab.Sample) string { return s.Scenario.SHA256 }),
	},
	{
		"parameters", "", Neither, String, 0, Identity, ParameterRows,
		"values that the script was evaluated with: name=value, sorted by name",
		textColumn(parameters),
	},
	{
		"services", "", Neither, String, 0, Identity, ServiceRows,
		"services beside the server, comma separated: upstream",
		textColumn(func(s lab.Sample) string { return strings.Join(s.Scenario.Services, ",") }),
	},
	{
		"runtime", "", Neither, String, 0, Identity, EveryRow,
		"the image: a folder under runtimes/",
		textColumn(func(s lab.Sample) string { return s.Variant.Runtime }),
	},
	{
		"variant", "", Neither, String, 0, Identity, EveryRow,
		"the runtime in one configuration: node/single",
		textColumn(variantID),
	},
	{
		"runtime_version", "", Neither, String, 0, Identity, EveryRow,
		"version that the running server reports",
		textColumn(func(s lab.Sample) string { return s.Identity.RuntimeVersion }),
	},
	{
		"image_id", "", Neither, String, 0, Identity, EveryRow,
		"the engine's image id; differs between rebuilds of equal content",
		textColumn(func(s lab.Sample) string { return s.Image.ID }),
	},
	{
		"content_sha256", "", Neither, String, 0, Identity, EveryRow,
		"hash of Dockerfile, context, lockfiles, arguments and base image",
		textColumn(func(s lab.Sample) string { return s.Image.ContentSHA256 }),
	},
	{
		"base_origin", "", Neither, String, 0, Identity, EveryRow,
		"origin of the base image: image digest, or suite and package versions",
		textColumn(func(s lab.Sample) string { return s.Image.BaseOrigin }),
	},

	{
		"block", "", Neither, Integer, 0, Load, EveryRow,
		"number of the block, from 1; a block is one trial of every variant",
		countColumn(func(s lab.Sample) int64 { return int64(s.Trial.Block) }),
	},
	{
		"position", "", Neither, Integer, 0, Load, EveryRow,
		"position of the trial in its block, from 1",
		countColumn(func(s lab.Sample) int64 { return int64(s.Trial.Position) }),
	},
	{
		"attempt", "", Neither, Integer, 0, Load, EveryRow,
		"attempt at the trial, from 1; higher if a disturbed trial was repeated",
		countColumn(func(s lab.Sample) int64 { return int64(s.Trial.Attempt) }),
	},
	{
		"phase", "", Neither, String, 0, Load, EveryRow,
		"name of the phase, which begins with its kind: peak, steady-50%",
		textColumn(phaseID),
	},
	{
		"phase_kind", "", Neither, String, 0, Load, EveryRow,
		"kind of the phase: peak, steady",
		textColumn(func(s lab.Sample) string { return string(s.Phase.Kind) }),
	},
	{
		"mode", "", Neither, String, 0, Load, EveryRow,
		"closed (next request after the answer) or open (by a schedule)",
		textColumn(func(s lab.Sample) string { return LoopMode(s.Phase.Kind) }),
	},
	{
		"generator", "", Neither, String, 0, Load, EveryRow,
		"what sent the requests: loop (the lab's event loop) or vegeta (Vegeta's Attacker)",
		textColumn(func(s lab.Sample) string { return string(s.Generator) }),
	},
	{
		"offered_rps", "1/s", Neither, Float, 3, Load, OpenLoopRows,
		"requests per second in the schedule; for a ramp, the average",
		phaseColumn(OfferedRPS),
	},
	{
		"connections", "", Neither, Integer, 0, Load, EveryRow,
		"connections in a closed loop; the most connections in an open loop",
		countColumn(func(s lab.Sample) int64 { return int64(s.Phase.Connections) }),
	},
	{
		"keep_alive", "", Neither, String, 0, Load, EveryRow,
		"true (requests share connections) or false (a new connection for each request)",
		textColumn(keepAlive),
	},
	{
		"duration_s", "s", Neither, Float, 6, Load, EveryRow,
		"first send to last answer",
		attackColumn(func(a lab.AttackResult) Value { return Number(a.Elapsed.Seconds()) }),
	},
	{
		"requests", "", Neither, Integer, 0, Load, EveryRow,
		"requests sent",
		attackColumn(func(a lab.AttackResult) Value { return Int(a.Sent) }),
	},

	{
		"throughput_rps", "1/s", Higher, Float, 3, Throughput, EveryRow,
		"requests that succeeded per second of duration_s; for a ladder, while all clients are present",
		windowNumber(ThroughputRPS),
	},
	{
		"goodput_rps", "1/s", Higher, Float, 3, Throughput, DeadlineRows,
		"requests that succeeded within the deadline per second of duration_s",
		windowNumber(GoodputRPS),
	},
	{
		"capacity_rps", "1/s", Higher, Float, 3, Throughput, CapacityRows,
		"highest offered rate that met the SLO, confirmed with other seeds",
		numberColumn(CapacityRPS),
	},
	{
		"deadline_ms", "ms", Neither, Float, 3, Load, DeadlineRows,
		"deadline for goodput, from the intended send time",
		phaseColumn(deadlineMS),
	},
	{
		"error_ratio", "ratio", Lower, Float, 9, Throughput, EveryRow,
		"requests failed / sent",
		windowNumber(ErrorRatio),
	},
	{
		"failed_requests", "", Neither, Integer, 0, Throughput, EveryRow,
		"requests that failed: another answer than expected, or none in time",
		attackColumn(failedRequests),
	},
	{
		"latency_failed_p50_ms", "ms", Neither, Float, 6, Latency, FailureRows,
		"median of the requests that failed: corrected in an open loop, raw in a closed one",
		failureLatency(p50),
	},

	{
		"latency_mean_ms", "ms", Lower, Float, 6, Latency, OpenLoopRows,
		"corrected mean: from the intended send time; all latencies except latency_failed_* are those of successes",
		correctedLatency(mean),
	},
	{
		"latency_p50_ms", "ms", Lower, Float, 6, Latency, OpenLoopRows,
		"corrected median",
		correctedLatency(p50),
	},
	{
		"latency_p90_ms", "ms", Lower, Float, 6, Latency, OpenLoopRows,
		"corrected 90th percentile",
		correctedLatency(p90),
	},
	{
		"latency_p99_ms", "ms", Lower, Float, 6, Latency, OpenLoopRows,
		"corrected 99th percentile",
		correctedLatency(p99),
	},
	{
		"latency_p999_ms", "ms", Lower, Float, 6, Latency, ManyRequestRows,
		"corrected 99.9th percentile",
		correctedLatency(p999),
	},
	{
		"latency_max_ms", "ms", Lower, Float, 6, Latency, OpenLoopRows,
		"corrected maximum",
		correctedLatency(maxLatency),
	},
	{
		"latency_raw_p50_ms", "ms", Lower, Float, 6, Latency, EveryRow,
		"median from the actual send time: hides queueing before the send",
		rawLatency(p50),
	},
	{
		"latency_raw_p99_ms", "ms", Lower, Float, 6, Latency, EveryRow,
		"99th percentile from the actual send time",
		rawLatency(p99),
	},
	{
		"first_byte_p50_ms", "ms", Lower, Float, 6, Latency, EveryRow,
		"median from the actual send to the first byte of the answer",
		firstByteLatency(p50),
	},
	{
		"first_byte_p99_ms", "ms", Lower, Float, 6, Latency, EveryRow,
		"99th percentile from the actual send to the first byte",
		firstByteLatency(p99),
	},
	{
		"send_lag_p99_ms", "ms", Neither, Float, 6, Load, OpenLoopRows,
		"99th percentile of actual minus intended send time",
		openLoopLatency(func(a lab.AttackResult) *lab.Latency { return a.SendLag }, p99),
	},
	{
		"sent_ratio", "ratio", Neither, Float, 6, Load, OpenLoopRows,
		"requests sent / in the schedule",
		windowNumber(SentRatio),
	},
	{
		"cold_start_ms", "ms", Lower, Float, 3, Latency, EveryRow,
		"container start to the first correct answer, at /identity or what ready names; the same in " +
			"every row of a trial",
		numberColumn(coldStartMS),
	},

	{
		"server_cpu_s", "s", Neither, Float, 6, CPU, EveryRow,
		"CPU time of the server's container during the phase",
		windowNumber(ServerCPUSeconds),
	},
	{
		"cpu_us_per_request", "µs", Lower, Float, 3, CPU, EveryRow,
		"server_cpu_s per request that succeeded",
		windowNumber(CPUPerRequestUS),
	},
	{
		"server_cpu_ratio", "ratio", Neither, Float, 6, CPU, EveryRow,
		"server_cpu_s / (duration_s x server CPUs)",
		windowNumber(ServerCPURatio),
	},
	{
		"busiest_thread_ratio", "ratio", Neither, Float, 6, CPU, EveryRow,
		"CPU time of the server's busiest thread / wall time; missing if one that ended may have been busier",
		windowNumber(BusiestThreadRatio),
	},
	{
		"busiest_process_ratio", "ratio", Neither, Float, 6, CPU, EveryRow,
		"CPU time of the server's busiest process / all its processes; missing if one that ended may be busier",
		windowNumber(BusiestProcessRatio),
	},
	{
		"saturation_ratio", "ratio", Neither, Float, 6, CPU, EveryRow,
		"busiest thread, or all threads per CPU if higher, / share of the server's CPUs that other work left",
		windowNumber(SaturationRatio),
	},
	{
		"memory_peak_mib", "MiB", Lower, Float, 3, Memory, EveryRow,
		"highest memory use of the server's container since its start",
		windowNumber(memoryPeakMiB),
	},
	{
		"throttled_periods", "", Neither, Integer, 0, CPU, EveryRow,
		"periods in which a CPU quota of the container, or of a cgroup above it, throttled the server",
		windowInteger(ThrottledPeriods),
	},
	{
		"oom_events", "", Lower, Integer, 0, Memory, EveryRow,
		"processes of the server that the kernel killed for memory",
		windowInteger(OOMEvents),
	},
	{
		"generator_cpu_ratio", "ratio", Neither, Float, 6, CPU, EveryRow,
		"generator's CPU time without idle polling / (duration_s x generator CPUs)",
		windowNumber(GeneratorCPURatio),
	},
	{
		"idle_loop_cpu_s", "s", Neither, Float, 6, CPU, WaitingRows,
		"CPU time of the loop that keeps the generator's CPUs from halting, which counts as idle; 0: none ran",
		windowNumber(IdleLoopCPUSeconds),
	},
	{
		"generator_slice_ms", "ms", Neither, Float, 6, CPU, WaitingRows,
		"longest time slice of the generator's threads; missing before Linux 6.12",
		windowNumber(GeneratorSliceMS),
	},
	{
		"foreign_generator_ratio", "ratio", Neither, Float, 6, CPU, EveryRow,
		"share of the generator's CPU time that was neither idle nor the lab's",
		windowNumber(ForeignGeneratorRatio),
	},
	{
		"foreign_server_ratio", "ratio", Neither, Float, 6, CPU, EveryRow,
		"share of the server's CPU time that was neither idle nor the server's",
		windowNumber(ForeignServerRatio),
	},
	{
		"foreign_cpu_ratio", "ratio", Neither, Float, 6, CPU, EveryRow,
		"the largest of foreign_generator_ratio, foreign_server_ratio and that of services on CPUs of their own",
		windowNumber(ForeignCPURatio),
	},
	{
		"upstream_hits", "", Neither, Integer, 0, Load, UpstreamRows,
		"calls that the lab's upstream answered during the phase",
		windowInteger(UpstreamCalls),
	},
	{
		"upstream_cpu_ratio", "ratio", Neither, Float, 6, CPU, UpstreamRows,
		"upstream's CPU time / time of its CPUs",
		windowNumber(cpuRatioOf(lab.RoleUpstream)),
	},
	{
		"database_cpu_us_per_request", "µs", Lower, Float, 3, CPU, DatabaseRows,
		"CPU time of the database's container during the phase, per request that succeeded",
		windowNumber(cpuPerRequestOf(lab.RoleDatabase)),
	},
	{
		"database_cpu_ratio", "ratio", Neither, Float, 6, CPU, DatabaseRows,
		"database's CPU time / time of its CPUs",
		windowNumber(cpuRatioOf(lab.RoleDatabase)),
	},
	{
		"database_memory_peak_mib", "MiB", Lower, Float, 3, Memory, DatabaseRows,
		"highest memory use of the database's container since its start",
		windowNumber(memoryPeakOf(lab.RoleDatabase)),
	},
	{
		"statements_per_request", "", Neither, Float, 6, Load, DatabaseRows,
		"statements on the database's tables, as it counts them, per request that succeeded",
		windowNumber(StatementsPerRequest),
	},
	{
		"rows_per_request", "", Neither, Float, 6, Load, DatabaseRows,
		"rows that these statements returned or changed, per request that succeeded",
		windowNumber(RowsPerRequest),
	},
	{
		"unattributed_cpu_s", "s", Neither, Float, 6, CPU, EveryRow,
		"CPU time of processes in the cell that belong to no service of the trial",
		windowNumber(UnattributedCPUSeconds),
	},
	{
		"steal_ratio", "ratio", Neither, Float, 6, CPU, EveryRow,
		"share of the trial's CPU time that the hypervisor took",
		windowNumber(StealRatio),
	},
	{
		"canary_max_ms", "ms", Neither, Float, 6, CPU, EveryRow,
		"longest time of a fixed piece of CPU work on a CPU of the trial, before or after the attack",
		numberColumn(CanaryMaxMS),
	},
	{
		"doubling_gain_ratio", "ratio", Neither, Float, 6, Load, UnsaturatedPeakRows,
		"gain in throughput of the same peak on twice the connections",
		numberColumn(doublingGain),
	},

	{
		"warmup_s", "s", Neither, Float, 6, Load, WarmedUpRows,
		"duration of the warm-up, whose results are discarded",
		warmUpColumn(func(a lab.AttackResult) Value { return Number(a.Elapsed.Seconds()) }),
	},
	{
		"warmup_end", "", Neither, String, 0, Load, WarmedUpRows,
		"why the warm-up ended: steady (throughput was steady) or budget (its time limit)",
		warmUpColumn(func(a lab.AttackResult) Value { return Text(a.WarmUpEnd) }),
	},
	{
		"drift_ratio", "ratio", Neither, Float, 6, Load, DriftRows,
		"throughput of the second half of the phase / first half - 1; 0 if steady",
		windowNumber(DriftRatio),
	},
	{
		"gil", "", Neither, String, 0, Identity, EveryRow,
		"global interpreter lock: on, off, none (the runtime has none)",
		textColumn(gilState),
	},

	{
		"workers", "", Neither, Integer, 0, Identity, EveryRow,
		"processes that accept requests, as the running server reports",
		countColumn(func(s lab.Sample) int64 { return int64(s.Identity.Workers) }),
	},
	{
		"backlog", "", Neither, Integer, 0, Identity, EveryRow,
		"new connections that the server's socket may queue",
		countColumn(func(s lab.Sample) int64 { return int64(s.Identity.Backlog) }),
	},
	{
		"server_cpus", "", Neither, Integer, 0, Identity, EveryRow,
		"CPUs of the server",
		countColumn(func(s lab.Sample) int64 { return int64(len(s.Layout.Server)) }),
	},
	{
		"cpus", "", Neither, String, 0, Identity, EveryRow,
		"CPUs of each party: generator=0 server=1, then the services beside the server by name",
		textColumn(func(s lab.Sample) string { return cpusOfParties(s.Layout) }),
	},
	{
		"service_mean_ms", "ms", Neither, Float, 6, Latency, ReferenceRows,
		"a reference server's mean service time by its own clock",
		windowNumber(ServiceMeanMS),
	},
	{
		"slo", "", Neither, String, 0, Latency, ObjectiveRows,
		"met; missed: the objectives with their values; or unknown: the metrics without a value",
		textColumn(sloState),
	},

	{
		"validity", "", Neither, String, 0, Validity, EveryRow,
		"valid, censored (a bound), disturbed (from outside) or failed",
		textColumn(func(s lab.Sample) string { return string(s.Gate.Validity) }),
	},
	{
		"validity_reason", "", Neither, String, 0, Validity, InvalidRows,
		"why the row is not valid, with the number that decided",
		textColumn(func(s lab.Sample) string { return s.Gate.Reason }),
	},
}
