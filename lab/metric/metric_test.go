package metric_test

import (
	"encoding/csv"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
	"runtimelab/lab/metric"
)

func ptr[T any](v T) *T { return &v }

// fullSample returns a sample of an open loop with every part filled: 2 generator CPUs,
// 1 server CPU, readings 10 s apart around an attack of 8 s.
func fullSample() observed {
	at := time.Date(2026, 11, 23, 23, 15, 1, 5e6, time.FixedZone("", 3600))
	return observed{
		Sample: lab.Sample{
			RunID:     "20261123T221501Z-ab12",
			Row:       7,
			HostID:    "h0123456789",
			StartedAt: at,
			Subject: lab.Subject{
				Generator: lab.EventLoop,
				Trial:     lab.Trial{Scenario: "json", Variant: "python/single", Block: 2, Position: 1, Attempt: 1},
				Scenario: lab.Scenario{
					Name: "json", SHA256: "5c0e",
					Parameters: map[string]string{"size": "3", "rate": "2500"},
					Services:   []string{lab.UpstreamName, "postgres"},
				},
				Variant: lab.Variant{Runtime: "python", Name: "single"},
				Image: lab.Image{
					ID: "sha256:aa", ContentSHA256: "bb",
					BaseOrigin: "forky: python3 3.14.8-1, libc6 2.42",
				},
				Layout: lab.Layout{Generator: []int{0, 2}, Server: []int{1}, Beside: []lab.ServiceCPUs{
					{Role: lab.RoleUpstream, Name: "upstream", CPUs: []int{0, 2}},
				}},
			},
			Identity: lab.Identity{
				Runtime: "python", RuntimeVersion: "3.14.8", GIL: ptr(true), Workers: 2, Backlog: 4096,
			},
			Phase: lab.Phase{
				Name: "steady-2500", Kind: lab.Steady, Connections: 64, RateRPS: 2500, Arrivals: lab.Poisson,
				DeadlineS:  0.25,
				Objectives: []lab.Objective{{Metric: "latency_p99_ms", Below: true, Limit: 4}},
			},
			ColdStart: ptr(312500 * time.Microsecond),
			WarmUp:    &lab.AttackResult{Elapsed: 3 * time.Second, WarmUpEnd: "steady"},
			Canaries: lab.PhaseCanaries{
				Before: []lab.Canary{
					{CPU: 0, WallTime: 50 * time.Millisecond},
					{CPU: 1, WallTime: 61 * time.Millisecond},
				},
				After: []lab.Canary{
					{CPU: 0, WallTime: 52 * time.Millisecond},
					{CPU: 1, WallTime: 51 * time.Millisecond},
				},
			},
			Search: &lab.Search{Steps: []lab.SearchStep{
				{Stage: lab.Exponential, OfferedRPS: 2400, SLOMet: true},
				{Stage: lab.Confirmation, OfferedRPS: 2400},
				{Stage: lab.Confirmation, OfferedRPS: 2000, SLOMet: true},
			}},
			SLO: lab.SLOResult{Missed: []string{"latency_p99_ms below 4 (5.000000)"}},
			Gate: lab.GateResult{
				Validity: lab.Failed,
				Reason:   "15.8 % of requests failed\n  ECONNRESET,\t\"broken\"\n",
			},
		},
		Attack:        fullAttack(at),
		UpstreamCalls: ptr(int64(17000)),
		Beside: []account.ServiceReadings{{
			Role: lab.RoleDatabase, Name: "postgres", CPUs: []int{3},
			Counts: &account.CountReadings{
				Before: lab.DatabaseCounts{Statements: 7, Rows: 5},
				After:  lab.DatabaseCounts{Statements: 24007, Rows: 320005},
			},
			Usage: &account.UsageReadings{
				After: account.Usage{CPU: 1280 * time.Millisecond, MemoryPeakBytes: ptr(int64(12 << 20))},
			},
		}},
		ServiceTimes: &lab.ServiceTimes{Count: 3, Mean: 250 * time.Microsecond},
		DoubleConnections: attackOf(lab.AttackResult{
			Elapsed:   8 * time.Second,
			HitCounts: lab.HitCounts{Succeeded: 20000},
		}),
		ServerUsage: usage{Known: true, UsageReadings: account.UsageReadings{
			Before: account.Usage{CPU: 10 * time.Second, ThrottledPeriods: 3},
			After: account.Usage{
				CPU: 16 * time.Second, ThrottledPeriods: 5, OOMEvents: 1,
				MemoryPeakBytes: ptr(int64(96 << 19)),
			},
		}},
	}
}

// attackOf returns an attack without readings.
func attackOf(r lab.AttackResult) *account.Observation { return &account.Observation{AttackResult: r} }

// fullAttack returns the attack of fullSample, with its readings.
func fullAttack(at time.Time) *account.Observation {
	o := attackOf(lab.AttackResult{
		Elapsed: 8 * time.Second,
		HitCounts: lab.HitCounts{
			Intended: 20000, Sent: 19000, Succeeded: 16000, Failed: 3000, WithinDeadline: 12000,
		},
		Latencies: lab.Latencies{
			Corrected: &lab.Latency{
				Count: 16000, MeanMS: 1.5, P50MS: ptr(1.25), P90MS: ptr(2.5), P99MS: ptr(5.0),
				P999MS: ptr(9.75), MaxMS: 12,
			},
			Raw:       &lab.Latency{Count: 16000, MeanMS: 1, P50MS: ptr(0.75), P99MS: ptr(3.5), MaxMS: 11},
			SendLag:   &lab.Latency{Count: 19000, P99MS: ptr(0.2595)},
			FirstByte: &lab.Latency{Count: 16000, P50MS: ptr(0.5), P99MS: ptr(3.0)},
			Failures:  &lab.Latency{Count: 3000, P50MS: ptr(0.125)},
		},
		Buckets: []lab.Bucket{
			second(2000), second(2000), second(2000), second(2000),
			second(1500), second(1500), second(1500), second(1500), second(7),
		},
	})
	o.Before = account.Reading{At: at, GeneratorCPU: 1 * time.Second, CPUs: []account.CPUTime{
		{ID: 0, Busy: 100 * time.Second, Steal: 1 * time.Second},
		{ID: 1, Busy: 200 * time.Second, Steal: 1 * time.Second},
		{ID: 2, Busy: 300 * time.Second},
		{ID: 3, Busy: 400 * time.Second},
	}, Services: []account.ServiceUsage{{
		Name: "server", Threads: []account.Thread{
			{PID: 7, TID: 7, CPU: time.Second},
			{PID: 7, TID: 9, CPU: time.Second},
		},
	}}}
	o.After = account.Reading{
		At: at.Add(10 * time.Second), GeneratorCPU: 5 * time.Second,
		CPUs: []account.CPUTime{
			// Outside the layout; the database runs on it.
			{ID: 3, Busy: 410 * time.Second, Steal: 9 * time.Second, Idle: 8700 * time.Millisecond},
			{ID: 0, Busy: 103 * time.Second, Steal: 2 * time.Second, Idle: 7500 * time.Millisecond},
			{ID: 1, Busy: 206 * time.Second, Steal: 1500 * time.Millisecond, Idle: 3500 * time.Millisecond},
			{ID: 2, Busy: 304 * time.Second, Idle: 6 * time.Second},
		},
		Services: []account.ServiceUsage{
			// One thread is new, one has ended.
			{Name: "server", Threads: []account.Thread{
				{PID: 7, TID: 8, CPU: time.Second}, {PID: 7, TID: 7, CPU: 6 * time.Second},
			}},
			{Name: "upstream", Threads: []account.Thread{{PID: 10, TID: 10, CPU: time.Second}}},
			{Name: "postgres", Threads: []account.Thread{{PID: 11, TID: 11, CPU: 1250 * time.Millisecond}}},
			{Name: account.NoService, Processes: []account.Process{{PID: 1, Children: 250 * time.Millisecond}}},
			{Name: lab.IdleLoopName, Threads: []account.Thread{{PID: 12, TID: 12, CPU: 500 * time.Millisecond}}},
		},
	}
	o.Waiting = &account.WaitingReading{Slice: lab.WaitingSlice}
	return o
}

// second returns a second in which n requests succeeded.
func second(n int64) lab.Bucket { return lab.Bucket{Sent: n, Succeeded: n} }

// peakSample returns the sample of a closed loop that also has the parts that only a
// schedule fills.
func peakSample() observed {
	s := fullSample()
	s.Phase.Kind, s.Phase.Name = lab.Peak, ""
	s.Gate = lab.GateResult{Validity: lab.Valid}
	return s
}

// crashedSample returns the sample of a trial that ended before its attack.
func crashedSample() observed {
	s := peakSample()
	s.Attack, s.WarmUp, s.ColdStart, s.UpstreamCalls, s.ServiceTimes, s.Search = nil, nil, nil, nil, nil, nil
	s.ServerUsage, s.Identity, s.Beside = usage{}, lab.Identity{}, nil
	s.Gate = lab.GateResult{Validity: lab.Failed, Reason: "exited with 1 before it was ready"}
	return s
}

// cells returns the CSV cells of a sample by column name.
func cells(s lab.Sample) map[string]string {
	m := map[string]string{}
	for i, cell := range metric.RowOf(s).CSVRecord() {
		m[metric.Header()[i]] = cell
	}
	return m
}

const header = "" +
	"schema_version,run_id,row,started_at,host_id,scenario,scenario_sha256,parameters,services,runtime," +
	"variant,runtime_version,image_id,content_sha256,base_origin,block,position,attempt,phase,phase_kind,mode," +
	"generator,offered_rps,connections,keep_alive,duration_s,requests,throughput_rps,goodput_rps,capacity_rps," +
	"deadline_ms,error_ratio,failed_requests,latency_failed_p50_ms,latency_mean_ms,latency_p50_ms," +
	"latency_p90_ms,latency_p99_ms,latency_p999_ms,latency_max_ms,latency_raw_p50_ms,latency_raw_p99_ms," +
	"first_byte_p50_ms,first_byte_p99_ms,send_lag_p99_ms,sent_ratio,cold_start_ms,server_cpu_s," +
	"cpu_us_per_request,server_cpu_ratio,busiest_thread_ratio,busiest_process_ratio,saturation_ratio," +
	"memory_peak_mib,throttled_periods,oom_events,generator_cpu_ratio,idle_loop_cpu_s," +
	"generator_slice_ms,foreign_generator_ratio,foreign_server_ratio,foreign_cpu_ratio," +
	"upstream_hits,upstream_cpu_ratio," +
	"database_cpu_us_per_request,database_cpu_ratio,database_memory_peak_mib," +
	"statements_per_request,rows_per_request,unattributed_cpu_s," +
	"steal_ratio,canary_max_ms," +
	"doubling_gain_ratio,warmup_s,warmup_end,drift_ratio,gil,workers,backlog,server_cpus,cpus,service_mean_ms," +
	"slo,validity,validity_reason"

func TestHeaderIsThePublishedOne(t *testing.T) {
	if got := strings.Join(metric.Header(), ","); got != header {
		t.Errorf("header\n got %s\nwant %s\n(renaming or removing a column needs a new SchemaVersion)", got, header)
	}
}

func TestAFullSampleFillsEveryColumn(t *testing.T) {
	want := map[string]string{
		"schema_version":              "6",
		"generator":                   "loop",
		"run_id":                      "20261123T221501Z-ab12",
		"row":                         "7",
		"started_at":                  "2026-11-23T22:15:01.005Z",
		"host_id":                     "h0123456789",
		"scenario":                    "json",
		"scenario_sha256":             "5c0e",
		"parameters":                  "rate=2500 size=3",
		"services":                    "upstream,postgres",
		"runtime":                     "python",
		"variant":                     "python/single",
		"runtime_version":             "3.14.8",
		"image_id":                    "sha256:aa",
		"content_sha256":              "bb",
		"base_origin":                 "forky: python3 3.14.8-1, libc6 2.42",
		"block":                       "2",
		"position":                    "1",
		"attempt":                     "1",
		"phase":                       "steady-2500",
		"phase_kind":                  "steady",
		"mode":                        "open",
		"offered_rps":                 "2500.000",
		"connections":                 "64",
		"keep_alive":                  "true",
		"duration_s":                  "8.000000",
		"requests":                    "19000",
		"throughput_rps":              "2000.000",
		"goodput_rps":                 "1500.000",
		"capacity_rps":                "2000.000",  // 2400 was not confirmed
		"drift_ratio":                 "-0.250000", // 4 s of 1500 after 4 s of 2000
		"service_mean_ms":             "0.250000",
		"deadline_ms":                 "250.000",
		"upstream_hits":               "17000",
		"upstream_cpu_ratio":          "0.050000", // 1 s of 10 s x 2
		"database_cpu_us_per_request": "80.000",   // 1.28 s for 16000
		"database_cpu_ratio":          "0.125000", // 1.25 s of 10 s x 1
		"database_memory_peak_mib":    "12.000",
		"statements_per_request":      "1.500000",  // 24000 for 16000
		"rows_per_request":            "20.000000", // 320000
		"unattributed_cpu_s":          "0.250000",
		"workers":                     "2",
		"backlog":                     "4096",
		"server_cpus":                 "1",
		"cpus":                        "generator=0,2 server=1 upstream=0,2",
		"slo":                         "missed: latency_p99_ms below 4 (5.000000)",
		"error_ratio":                 "0.157894737", // 3000 of 19000
		"failed_requests":             "3000",
		"latency_failed_p50_ms":       "0.125000",
		"latency_mean_ms":             "1.500000",
		"latency_p50_ms":              "1.250000",
		"latency_p90_ms":              "2.500000",
		"latency_p99_ms":              "5.000000",
		"latency_p999_ms":             "9.750000",
		"latency_max_ms":              "12.000000",
		"latency_raw_p50_ms":          "0.750000",
		"latency_raw_p99_ms":          "3.500000",
		"send_lag_p99_ms":             "0.259500",
		"sent_ratio":                  "0.950000",
		"cold_start_ms":               "312.500",
		"server_cpu_s":                "6.000000",
		"cpu_us_per_request":          "375.000",  // 6 s for 16000
		"server_cpu_ratio":            "0.750000", // 6 s of 8 s x 1
		"memory_peak_mib":             "48.000",
		"throttled_periods":           "2",
		"generator_cpu_ratio":         "0.250000", // 4 s of 8 s x 2
		"foreign_generator_ratio":     "0.050000", // 20 s - 13.5 idle - 0.5 loop - 4 generator - 1 upstream, of 20
		"idle_loop_cpu_s":             "0.500000",
		"generator_slice_ms":          "0.100000",
		"foreign_server_ratio":        "0.050000", // 10 s - 3.5 idle - 6 server, of 10
		"foreign_cpu_ratio":           "0.050000",
		"busiest_thread_ratio":        "0.500000", // 5 s of 10
		"busiest_process_ratio":       "1.000000", // the only one
		"saturation_ratio":            "0.631579", // 6 s of 9.5
		"canary_max_ms":               "61.000000",
		"doubling_gain_ratio":         "0.250000", // 20000 to 16000
		"oom_events":                  "1",
		"first_byte_p50_ms":           "0.500000",
		"first_byte_p99_ms":           "3.000000",
		"steal_ratio":                 "0.050000", // 1.5 s of 10 s x 3
		"warmup_s":                    "3.000000",
		"warmup_end":                  "steady",
		"gil":                         "on",
		"validity":                    "failed",
		"validity_reason":             `15.8 % of requests failed | ECONNRESET, "broken"`,
	}
	got := cells(fullSample().sample())
	for _, m := range metric.Table() {
		w, listed := want[m.Name]
		if !listed {
			t.Errorf("%s: no expectation in this test", m.Name)
		}
		if got[m.Name] != w {
			t.Errorf("%s: got %q, want %q", m.Name, got[m.Name], w)
		}
	}
}

// RowScope of the table decides which columns of a valid row are missing.
func TestAValidRowLacksOnlyColumnsOfOtherRowScopes(t *testing.T) {
	valid := fullSample()
	valid.Gate = lab.GateResult{Validity: lab.Valid}
	cold := peakSample()
	cold.WarmUp = nil
	saturated := peakSample()
	saturated.DoubleConnections = nil
	tests := []struct {
		name   string
		sample observed
		lacks  []metric.RowScope
	}{
		{"open loop", valid, []metric.RowScope{metric.InvalidRows}},
		{
			"closed loop", peakSample(),
			[]metric.RowScope{metric.InvalidRows, metric.OpenLoopRows, metric.ManyRequestRows, metric.DeadlineRows},
		},
		{"saturated", saturated, []metric.RowScope{
			metric.InvalidRows, metric.OpenLoopRows, metric.ManyRequestRows,
			metric.DeadlineRows, metric.UnsaturatedPeakRows,
		}},
		{"no warm-up", cold, []metric.RowScope{
			metric.InvalidRows, metric.OpenLoopRows, metric.ManyRequestRows,
			metric.DeadlineRows, metric.WarmedUpRows,
		}},
	}
	for _, tt := range tests {
		got := cells(tt.sample.sample())
		for _, m := range metric.Table() {
			if missing, want := got[m.Name] == "", slices.Contains(tt.lacks, m.Rows); missing != want {
				t.Errorf("%s: %s is %q, missing should be %v (%s)", tt.name, m.Name, got[m.Name], want, m.Rows)
			}
		}
	}
}

func TestThroughputOfALadderCountsOnlyTimeWithAllClients(t *testing.T) {
	w := lab.Window{Attack: lab.AttackResult{
		Elapsed: 5 * time.Second, LadderRPS: 100, HitCounts: lab.HitCounts{Succeeded: 450},
	}}
	for kind, want := range map[lab.PhaseKind]float64{lab.Ladder: 100, lab.Peak: 90} {
		w.Phase.Kind = kind
		if got, ok := metric.ThroughputRPS(w); !ok || got != want {
			t.Errorf("%s: %v, %v", kind, got, ok)
		}
	}
	w.Attack.Elapsed = 0
	if got, ok := metric.ThroughputRPS(w); ok {
		t.Errorf("%v without a duration", got)
	}
}

func TestDriftUsesSecondsWithAllClients(t *testing.T) {
	buckets := []lab.Bucket{
		second(100), second(900), second(1000), second(1000), second(1100), second(1100),
		{Succeeded: 500},
		{Succeeded: 20},
	}
	w := lab.Window{Attack: lab.AttackResult{
		Elapsed:      7500 * time.Millisecond,
		ClientRampUp: 1300 * time.Millisecond, Buckets: buckets,
	}}
	if got, ok := metric.DriftRatio(w); !ok || math.Abs(got-0.1) > 1e-9 {
		t.Errorf("%v, %v, want 0.1", got, ok)
	}
	for name, change := range map[string]func(*lab.AttackResult){
		"few answers": func(a *lab.AttackResult) {
			a.Buckets = []lab.Bucket{second(9), second(9), second(499), second(499), second(600), second(600)}
		},
		"few seconds": func(a *lab.AttackResult) { a.ClientRampUp = 3 * time.Second },
	} {
		a := w.Attack
		change(&a)
		if got, ok := metric.DriftRatio(lab.Window{Attack: a}); ok {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestATrialThatEndedBeforeItsAttackHasNoFigures(t *testing.T) {
	fromServer := []string{"runtime_version", "gil", "workers", "backlog"}
	fromPlan := []string{
		"block", "position", "attempt", "phase", "phase_kind", "mode", "connections",
		"keep_alive", "generator",
	}
	got := cells(crashedSample().sample())
	for _, m := range metric.Table() {
		filled := m.Group == metric.Identity && !slices.Contains(fromServer, m.Name) ||
			m.Group == metric.Validity || slices.Contains(fromPlan, m.Name)
		if filled != (got[m.Name] != "") {
			t.Errorf("%s: got %q, filled should be %v", m.Name, got[m.Name], filled)
		}
	}
}

func TestAnEmptySampleHasNoFigures(t *testing.T) {
	for name, cell := range cells(lab.Sample{}) {
		if cell != "" && name != "schema_version" {
			t.Errorf("%s: got %q from an empty sample", name, cell)
		}
	}
}

func TestUnsupportedFiguresAreMissing(t *testing.T) {
	tests := []struct {
		name    string
		change  func(*observed)
		missing []string
	}{
		{
			"container ended before its reading", func(s *observed) { s.ServerUsage.Known = false },
			[]string{
				"server_cpu_s", "server_cpu_ratio", "cpu_us_per_request", "throttled_periods", "oom_events",
				"memory_peak_mib",
			},
		},
		{
			"kernel without a memory peak", func(s *observed) { s.ServerUsage.After.MemoryPeakBytes = nil },
			[]string{"memory_peak_mib"},
		},
		{
			"server's counters fell", func(s *observed) {
				s.ServerUsage.Before.OOMEvents = 2
				s.ServerUsage.After = account.Usage{MemoryPeakBytes: ptr(int64(1))}
			},
			[]string{"server_cpu_s", "server_cpu_ratio", "cpu_us_per_request", "throttled_periods", "oom_events"},
		},
		{
			"no threads", func(s *observed) { s.Attack.After.Services[0].Threads = nil },
			[]string{
				"foreign_server_ratio", "foreign_cpu_ratio", "busiest_thread_ratio", "busiest_process_ratio",
				"saturation_ratio",
			},
		},
		{
			"generator's counter fell", func(s *observed) { s.Attack.After.GeneratorCPU = 0 },
			[]string{"generator_cpu_ratio", "foreign_generator_ratio", "foreign_cpu_ratio"},
		},
		{
			"no time between the readings", func(s *observed) { s.Attack.After.At = s.Attack.Before.At },
			[]string{
				"generator_cpu_ratio", "foreign_generator_ratio", "foreign_server_ratio", "foreign_cpu_ratio",
				"busiest_thread_ratio", "busiest_process_ratio", "saturation_ratio", "steal_ratio", "upstream_cpu_ratio",
				"database_cpu_ratio", "unattributed_cpu_s",
			},
		},
		{
			"a CPU went offline", func(s *observed) { s.Attack.After.CPUs = s.Attack.After.CPUs[:3] },
			[]string{"foreign_generator_ratio", "foreign_cpu_ratio", "steal_ratio"},
		},
		{
			"a host's counter fell", func(s *observed) {
				s.Attack.After.CPUs[1].Steal = 0
				s.Attack.After.CPUs[2].Idle = s.Attack.Before.CPUs[2].Idle - 11*time.Millisecond
			},
			[]string{"foreign_server_ratio", "foreign_cpu_ratio", "saturation_ratio", "steal_ratio"},
		},
		{
			"a CPU came online", func(s *observed) { s.Attack.Before.CPUs = s.Attack.Before.CPUs[:2] },
			[]string{"foreign_generator_ratio", "foreign_cpu_ratio", "steal_ratio"},
		},
		{
			"no layout", func(s *observed) { s.Layout = lab.Layout{} },
			[]string{
				"server_cpu_ratio", "generator_cpu_ratio", "foreign_generator_ratio", "foreign_server_ratio",
				"foreign_cpu_ratio", "saturation_ratio", "steal_ratio", "upstream_cpu_ratio", "server_cpus",
				"cpus",
			},
		},
		{
			"too few requests for p99.9", func(s *observed) { s.Attack.Corrected.P999MS = nil },
			[]string{"latency_p999_ms"},
		},
		{"no answer at all", func(s *observed) {
			s.Attack.Succeeded, s.Attack.Corrected, s.Attack.Raw, s.Attack.FirstByte = 0, &lab.Latency{}, nil, nil
		}, []string{
			"cpu_us_per_request", "database_cpu_us_per_request", "doubling_gain_ratio",
			"first_byte_p50_ms", "first_byte_p99_ms", "latency_mean_ms",
			"latency_p50_ms", "latency_p90_ms", "latency_p99_ms",
			"latency_p999_ms", "latency_max_ms", "latency_raw_p50_ms", "latency_raw_p99_ms",
			"statements_per_request", "rows_per_request",
		}},
		{"nothing sent", func(s *observed) { s.Attack.Sent = 0 }, []string{"error_ratio"}},
		{"no schedule", func(s *observed) { s.Attack.Intended = 0 }, []string{"sent_ratio"}},
		{
			"no duration", func(s *observed) { s.Attack.Elapsed = 0 },
			[]string{
				"throughput_rps", "goodput_rps", "server_cpu_ratio", "generator_cpu_ratio", "doubling_gain_ratio",
				"drift_ratio",
			},
		},
		{
			"not a number",
			func(s *observed) { s.Attack.Corrected.MeanMS, s.Attack.Corrected.MaxMS = math.NaN(), math.Inf(1) },
			[]string{"latency_mean_ms", "latency_max_ms"},
		},
	}
	for _, tt := range tests {
		s := fullSample()
		tt.change(&s)
		var got []string
		for name, cell := range cells(s.sample()) {
			if cell == "" {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		slices.Sort(tt.missing)
		if !slices.Equal(got, tt.missing) {
			t.Errorf("%s: missing %v, want %v", tt.name, got, tt.missing)
		}
	}
}

func TestForeignCPUIsNeverNegative(t *testing.T) {
	s := fullSample()
	s.Attack.After.Services[0].Threads[1].CPU = 20 * time.Second // more than the wall time
	if got, ok := metric.ForeignServerRatio(s.window()); !ok || got != 0 {
		t.Errorf("got %v, %v, want 0", got, ok)
	}
}

// The time in which a polling generator found no work is neither its work nor foreign.
func TestIdlePollingIsNotGeneratorWork(t *testing.T) {
	s := fullSample()
	busy, _ := metric.GeneratorCPURatio(s.window())
	foreign, _ := metric.ForeignGeneratorRatio(s.window())
	s.Attack.IdlePolling = time.Second
	less, ok := metric.GeneratorCPURatio(s.window())
	if want := busy - 1/(s.Attack.Elapsed.Seconds()*float64(len(s.Layout.Generator))); !ok ||
		math.Abs(less-want) > 1e-9 {
		t.Errorf("busy %v, want %v", less, want)
	}
	if still, _ := metric.ForeignGeneratorRatio(s.window()); still != foreign {
		t.Errorf("foreign %v, want %v", still, foreign)
	}
}

// A server that uses all the time that other work leaves is at its limit.
func TestSaturationIsRelativeToTheTimeThatOtherWorkLeaves(t *testing.T) {
	s := fullSample()
	s.Attack.After.CPUs[2].Idle = 0
	if foreign, _ := metric.ForeignServerRatio(s.window()); foreign != 0.4 {
		t.Fatalf("foreign %v, want 0.4", foreign)
	}
	if got, ok := metric.SaturationRatio(s.window()); !ok || math.Abs(got-1) > 1e-9 {
		t.Errorf("got %v, %v, want 1", got, ok)
	}
}

func TestGILColumnIsOnOffNoneOrMissing(t *testing.T) {
	tests := []struct {
		identity lab.Identity
		want     string
	}{
		{lab.Identity{RuntimeVersion: "3.14.8", GIL: ptr(true), Workers: 2}, "on"},
		{lab.Identity{RuntimeVersion: "3.14.8t", GIL: ptr(false)}, "off"},
		{lab.Identity{RuntimeVersion: "24.21.0"}, "none"},
		{lab.Identity{}, ""},
	}
	for _, tt := range tests {
		if got := cells(lab.Sample{Identity: tt.identity})["gil"]; got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.identity, got, tt.want)
		}
	}
}

func TestTableRowsAreCompleteAndNamesEndWithTheirUnit(t *testing.T) {
	suffixes := map[string]string{
		"ms": "_ms", "s": "_s", "1/s": "_rps", "ratio": "_ratio", "MiB": "_mib",
		"µs": "cpu_us_per_request",
	}
	seen := map[string]bool{}
	for _, m := range metric.Table() {
		if seen[m.Name] {
			t.Errorf("%s: twice", m.Name)
		}
		seen[m.Name] = true
		if m.About == "" || m.Better == "" || m.Group == "" || m.Rows == "" {
			t.Errorf("%s: incomplete: %+v", m.Name, m)
		}
		if m.Unit != "" && !strings.HasSuffix(m.Name, suffixes[m.Unit]) {
			t.Errorf("%s: name does not end in its unit %q", m.Name, m.Unit)
		}
		if m.Unit != "" && m.Kind != metric.Float || m.Kind == metric.Float && m.Decimals < 1 {
			t.Errorf("%s: kind %s, unit %q, %d decimals", m.Name, m.Kind, m.Unit, m.Decimals)
		}
	}
}

func TestFormatWritesFloatsWithAPointAndNoExponent(t *testing.T) {
	tests := []struct {
		name string
		v    metric.Value
		want string
	}{
		{"throughput_rps", metric.Number(1e9), "1000000000.000"},
		{"throughput_rps", metric.Number(0), "0.000"},
		{"error_ratio", metric.Number(1e-7), "0.000000100"},
		{"latency_p50_ms", metric.Number(1.0 / 3), "0.333333"},
		{"requests", metric.Int(123456789), "123456789"},
		{"latency_p50_ms", metric.Number(math.NaN()), ""},
		{"latency_p50_ms", metric.Number(math.Inf(-1)), ""},
		{"validity_reason", metric.Text("a\r\n\n b\x00c \n"), "a | b c"},
		{"validity_reason", metric.Text(" \n"), ""},
	}
	for _, tt := range tests {
		m, _ := metric.Find(tt.name)
		if got := m.Format(tt.v); got != tt.want {
			t.Errorf("%s of %+v: got %q, want %q", tt.name, tt.v, got, tt.want)
		}
	}
}

func TestRoundTripThroughCSV(t *testing.T) {
	var file strings.Builder
	w := csv.NewWriter(&file)
	samples := []lab.Sample{fullSample().sample(), peakSample().sample(), crashedSample().sample()}
	_ = w.Write(metric.Header())
	for _, s := range samples {
		_ = w.Write(metric.RowOf(s).CSVRecord())
	}
	w.Flush()
	records, err := csv.NewReader(strings.NewReader(file.String())).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(file.String(), "\n"); lines != len(records) {
		t.Errorf("%d records on %d lines", len(records), lines)
	}
	for i, s := range samples {
		row, err := metric.ParseRow(records[0], cellsOf(records[i+1]))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := row.CSVRecord(), metric.RowOf(s).CSVRecord(); !slices.Equal(got, want) {
			t.Errorf("sample %d\n got %q\nwant %q", i, got, want)
		}
	}
}

// cellsOf returns the texts of a record as a reader of rows passes them.
func cellsOf(record []string) (cells [][]byte) {
	for _, text := range record {
		cells = append(cells, []byte(text))
	}
	return cells
}

func TestParseRowUsesColumnTypesAndIgnoresUnknownColumns(t *testing.T) {
	row, err := metric.ParseRow([]string{"requests", "invented_later", "throughput_rps", "variant"},
		cellsOf([]string{"7", "x", "2.50", ""}))
	if err != nil {
		t.Fatal(err)
	}
	if n, ok := row.Int("requests"); n != 7 || !ok {
		t.Errorf("requests: %v %v", n, ok)
	}
	if f, ok := row.Float("requests"); f != 7 || !ok {
		t.Errorf("requests as a float: %v %v", f, ok)
	}
	if f, ok := row.Float("throughput_rps"); f != 2.5 || !ok {
		t.Errorf("throughput_rps: %v %v", f, ok)
	}
	if _, ok := row.Float("variant"); ok || row.Text("variant") != "" || len(row) != 2 {
		t.Errorf("missing or unknown columns have values: %v", row)
	}
	for _, bad := range [][2]string{{"requests", "1.5"}, {"throughput_rps", "NaN"}, {"throughput_rps", "fast"}} {
		_, err := metric.ParseRow(bad[:1], cellsOf(bad[1:]))
		if err == nil || !strings.Contains(err.Error(), bad[0]) {
			t.Errorf("%v: got %v, want an error that names the column", bad, err)
		}
	}
}

// A reader that infers types must find the type that the table states in every cell.
func TestTypeInferenceFindsTheColumnTypes(t *testing.T) {
	whole := fullSample() // figures without fractions
	whole.Attack.Elapsed = 4 * time.Second
	whole.Attack.Failed = 0
	var records [][]string
	for _, s := range []observed{fullSample(), peakSample(), crashedSample(), whole} {
		records = append(records, metric.RowOf(s.sample()).CSVRecord())
	}
	for i, m := range metric.Table() {
		for _, r := range records {
			if r[i] == "" {
				continue
			}
			if got := infer(r[i]); got != m.Kind {
				t.Errorf("%s: %q reads as %s, the column is %s", m.Name, r[i], got, m.Kind)
			}
		}
	}
}

func infer(cell string) metric.Kind {
	if _, err := strconv.ParseInt(cell, 10, 64); err == nil {
		return metric.Integer
	}
	if _, err := strconv.ParseFloat(cell, 64); err == nil {
		return metric.Float
	}
	return metric.String
}

func TestMain(m *testing.M) {
	time.Local = time.FixedZone("elsewhere", -7*3600) // no output may depend on it
	os.Exit(m.Run())
}

// In an overload latency depends on the duration; goodput does not.
func TestAnOverloadHasNoLatencies(t *testing.T) {
	s := fullSample()
	for share, want := range map[lab.PeakShare]bool{
		{Fraction: 1, OfOwnPeak: true}:    false,
		{Fraction: 0.99, OfOwnPeak: true}: true, {Fraction: 1.2}: true,
	} {
		s.Phase.PeakShare = &share
		got := cells(s.sample())
		for _, name := range []string{
			"latency_p50_ms", "latency_p99_ms", "latency_max_ms", "latency_raw_p50_ms",
			"first_byte_p99_ms", "send_lag_p99_ms",
		} {
			if (got[name] != "") != want {
				t.Errorf("at %+v: %s is %q", share, name, got[name])
			}
		}
		if got["goodput_rps"] == "" || got["throughput_rps"] == "" {
			t.Errorf("at %+v: goodput %q, throughput %q", share, got["goodput_rps"], got["throughput_rps"])
		}
	}
}

func TestOfferedRateOfARampIsItsAverage(t *testing.T) {
	s := fullSample()
	s.Phase.Kind, s.Phase.RateRPS, s.Phase.ToRPS = lab.Ramp, 100, 300
	if got := cells(s.sample())["offered_rps"]; got != "200.000" {
		t.Errorf("offered %s", got)
	}
}

func TestObjectivesAreMetMissedOrWithoutAValue(t *testing.T) {
	for _, c := range []struct {
		objective lab.Objective
		missed    string
		unknown   string
	}{
		{lab.Objective{Metric: "latency_p99_ms", Below: true, Limit: 5.1}, "", ""},
		{lab.Objective{Metric: "latency_p99_ms", Below: true, Limit: 5}, "latency_p99_ms below 5 (5.000000)", ""},
		{lab.Objective{Metric: "throughput_rps", Limit: 1999}, "", ""},
		{lab.Objective{Metric: "throughput_rps", Limit: 2000}, "throughput_rps above 2000 (2000.000)", ""},
		{lab.Objective{Metric: "doubling_gain_ratio", Limit: 2000}, "", "doubling_gain_ratio"},
		{lab.Objective{Metric: "latency_p9999_ms", Limit: 1}, "", "latency_p9999_ms"},
	} {
		s := fullSample()
		s.DoubleConnections, s.Attack.Failed = nil, 0
		s.Phase.Objectives = []lab.Objective{c.objective}
		missed, unknown := metric.CheckObjectives(s.sample())
		if strings.Join(missed, "; ") != c.missed || strings.Join(unknown, "; ") != c.unknown {
			t.Errorf("%s: missed %q, unknown %q", c.objective, missed, unknown)
		}
	}
	s := fullSample()
	s.SLO.WithoutValue = []string{"latency_p999_ms"}
	for _, want := range []string{
		"missed: latency_p99_ms below 4 (5.000000)", "unknown: latency_p999_ms", "met",
	} {
		if got := cells(s.sample())["slo"]; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if s.SLO.Missed == nil {
			s.SLO.WithoutValue = nil
		}
		s.SLO.Missed = nil
	}
}

func TestForeignCPUOnSharedCPUsCoversAllCPUs(t *testing.T) {
	s := fullSample()
	s.Layout = lab.Layout{Generator: []int{0}, Server: []int{0, 1, 2}}
	generator, ok := metric.ForeignGeneratorRatio(s.window())
	server, known := metric.ForeignServerRatio(s.window())
	// 30 s of three CPUs, 17 idle, 0.5 the idle loop's, 4 the generator's, 1 the upstream's, 6 the server's
	if !ok || !known || math.Abs(generator-1.5/30) > 1e-9 || server != generator {
		t.Errorf("foreign on the generator's CPUs %v, on the server's %v, want %v", generator, server, 1.5/30)
	}
}

func TestObjectivesNeedTenRequestsBeyondTheirQuantile(t *testing.T) {
	for _, c := range []struct {
		metrics []string
		want    int
	}{
		{nil, 0},
		{[]string{"error_ratio", "latency_mean_ms"}, 0},
		{[]string{"latency_p50_ms", "error_ratio"}, 20},
		{[]string{"latency_p90_ms", "latency_raw_p99_ms"}, 1000},
		{[]string{"latency_p999_ms", "first_byte_p50_ms"}, 10_000},
	} {
		var objectives []lab.Objective
		for _, name := range c.metrics {
			objectives = append(objectives, lab.Objective{Metric: name, Below: true, Limit: 1})
		}
		if got := metric.RequestsNeeded(objectives); got != c.want {
			t.Errorf("%v need %d requests, want %d", c.metrics, got, c.want)
		}
	}
	// requestsForQuantile must know every quantile of the table.
	for _, m := range metric.Table() {
		isQuantile := strings.Contains(m.Name, "_p") && strings.HasSuffix(m.Name, "_ms")
		if isQuantile && metric.RequestsNeeded([]lab.Objective{{Metric: m.Name}}) == 0 {
			t.Errorf("the number of requests that %s needs is unknown", m.Name)
		}
	}
}

func TestBusiestProcessSumsItsThreads(t *testing.T) {
	s := fullSample()
	s.Attack.Before.Services[0].Threads = []account.Thread{
		{PID: 7, TID: 7, CPU: time.Second},
		{PID: 8, TID: 8, CPU: 2 * time.Second},
	}
	s.Attack.After.Services[0].Threads = []account.Thread{
		{PID: 7, TID: 7, CPU: 2 * time.Second},
		{PID: 8, TID: 8, CPU: 4 * time.Second},
		{PID: 7, TID: 9, CPU: 5 * time.Second},
	}
	if got, ok := metric.BusiestProcessRatio(s.window()); !ok || got != 0.75 { // 6 s of 8
		t.Errorf("got %v, %v", got, ok)
	}
	s.Attack.After.Services[0] = s.Attack.Before.Services[0]
	if got, ok := metric.BusiestProcessRatio(s.window()); ok {
		t.Errorf("got %v for idle processes", got)
	}
}

// The vocabulary names metrics of kinds of phase as text, because it imports nothing.
func TestKindsOfPhaseNameMetricsThatExist(t *testing.T) {
	for _, kind := range lab.PhaseKinds() {
		for _, name := range append(kind.Compared, kind.Headline) {
			if kind.Discarded && name == "" {
				continue
			}
			if m, known := metric.Find(name); !known || m.Better == metric.Neither {
				t.Errorf("%s names %q, which is no metric that can be better or worse", kind.Kind, name)
			}
		}
	}
}
