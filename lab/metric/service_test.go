package metric_test

import (
	"math"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
	"runtimelab/lab/metric"
)

// Several services of a role share one figure: that of all their CPU time and CPUs. One whose account
// is unknown makes it unknown.
func TestFiguresOfARoleSumItsServices(t *testing.T) {
	s := fullSample()
	replica := s.Beside[0]
	replica.Name, replica.CPUs = "replica", []int{2, 3}
	s.Beside = append(s.Beside, replica)
	s.Attack.After.Services = append(s.Attack.After.Services, account.ServiceUsage{
		Name: "replica", Threads: []account.Thread{{PID: 12, TID: 12, CPU: 2 * time.Second}},
	})
	want := map[string]string{
		"database_cpu_ratio":          "0.162500", // 3.25 s of 10 s x 2: CPU 3 counts once
		"database_cpu_us_per_request": "160.000",
		"database_memory_peak_mib":    "24.000",
		"upstream_cpu_ratio":          "0.050000",
		"server_cpu_s":                "6.000000",
		"cpu_us_per_request":          "375.000",
	}
	got := cells(s.sample())
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s: got %q, want %q", name, got[name], value)
		}
	}
	s.Beside[1].Usage = nil
	got = cells(s.sample())
	if got["database_cpu_us_per_request"] != "" || got["database_memory_peak_mib"] != "" {
		t.Errorf("without a reading of one container: %q, %q",
			got["database_cpu_us_per_request"], got["database_memory_peak_mib"])
	}
}

// Parties that share CPUs, directly or through another, have one share of other work.
func TestForeignCPUCoversAllPartiesOnSharedCPUs(t *testing.T) {
	s := fullSample()
	s.Layout = lab.Layout{Generator: []int{0}, Server: []int{1}}
	s.Beside[0].CPUs = []int{1, 2} // beside the server
	// CPUs 1 and 2: 20 s, 9.5 idle, 6 the server's, 1.25 the database's.
	const want = 3.25 / 20
	for _, cpus := range [][]int{{1}, {2}, {1, 2}} {
		if got, ok := metric.ForeignRatioOn(s.window(), cpus); !ok || math.Abs(got-want) > 1e-9 {
			t.Errorf("foreign on CPUs %v: %v, %v, want %v", cpus, got, ok, want)
		}
	}
	s.Beside[0].CPUs = []int{0, 1} // and beside the generator
	// CPUs 0 and 1: 20 s, 11 idle, 0.5 the idle loop's, 4 the generator's, 1 the upstream's, 6 and 1.25 as
	// above.
	generator, _ := metric.ForeignGeneratorRatio(s.window())
	if server, ok := metric.ForeignServerRatio(s.window()); !ok || server != 0 || generator != server {
		t.Errorf("foreign on the generator's CPUs %v, on the server's %v, want 0", generator, server)
	}
}

// The share of a database's CPUs that others took counts among foreign CPU time.
func TestForeignCPUIncludesThatOfServices(t *testing.T) {
	s := fullSample()
	s.Attack.After.CPUs[0].Idle -= 2 * time.Second // CPU 3, the database's
	got, ok := metric.ForeignCPURatio(s.window())
	if want := 0.205; !ok || math.Abs(got-want) > 1e-9 { // 10 s, 6.7 idle, 1.25 the database's
		t.Errorf("foreign %v, %v, want %v", got, ok, want)
	}
}
