package metric_test

import (
	"math"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
	"runtimelab/lab/metric"
)

// withEndedThreads returns a sample of ten seconds of a server on CPU 1, which was never
// idle. The only thread that remains used one second of them.
func withEndedThreads() observed {
	start := time.Unix(1000, 0)
	return observed{
		Sample: lab.Sample{Subject: lab.Subject{Layout: lab.Layout{Generator: []int{0}, Server: []int{1}}}},
		Attack: &account.Observation{
			AttackResult: lab.AttackResult{Elapsed: 10 * time.Second},
			CellReadings: account.CellReadings{
				Before: account.Reading{
					At: start, CPUs: []account.CPUTime{{ID: 0}, {ID: 1}},
					Services: oneThread(time.Second),
				},
				After: account.Reading{
					At: start.Add(10 * time.Second), CPUs: []account.CPUTime{{ID: 0, Idle: 10 * time.Second}, {ID: 1}},
					Services: oneThread(2 * time.Second),
				},
			},
		},
		ServerUsage: usage{Known: true, UsageReadings: account.UsageReadings{
			Before: account.Usage{At: start.Add(-10 * time.Millisecond), CPU: time.Minute},
			After: account.Usage{At: start.Add(10*time.Second + 10*time.Millisecond), CPU: time.Minute +
				10*time.Second},
		}},
	}
}

// oneThread returns the usage of a server that is one thread.
func oneThread(used time.Duration) []account.ServiceUsage {
	return []account.ServiceUsage{{
		Name:      "server",
		Threads:   []account.Thread{{PID: 7, TID: 7, CPU: used}},
		Processes: []account.Process{{PID: 7, CPU: used}},
	}}
}

func TestEndedThreadsAndProcessesCountAsTheServers(t *testing.T) {
	const s = time.Second
	for name, c := range map[string]struct {
		change          func(*observed)
		foreign         float64
		thread, process bool // whether the busiest one is known
		saturated       float64
	}{
		"threads that ended": {
			func(x *observed) { x.Attack.After.Services[0].Processes[0].CPU = 11 * s }, 0, false,
			true, 1,
		},
		"threads that ended, less busy than the one that remains": {func(x *observed) {
			x.Attack.After.Services[0].Threads[0].CPU, x.Attack.After.Services[0].Processes[0].CPU = 8*s, 11*s
		}, 0, true, true, 1},
		"children that their parent waited for": {func(x *observed) {
			x.Attack.After.Services[0].Processes[0].Children = 9 * s
		}, 0, false, false, 1},
		"a worker that was replaced": {func(x *observed) {
			x.Attack.Before.Services[0].Processes = append(x.Attack.Before.Services[0].Processes,
				account.Process{PID: 8, CPU: 100 * s})
			x.Attack.After.Services[0].Processes = []account.Process{
				{PID: 7, CPU: 2 * s, Children: 104 * s},
				{PID: 9, CPU: 5 * s},
			}
			x.Attack.After.Services[0].Threads = append(x.Attack.After.Services[0].Threads,
				account.Thread{PID: 9, TID: 9, CPU: 5 * s})
		}, 0, true, true, 1},
		// The container's readings lie 20 ms outside the generator's.
		"children that no parent waited for": {func(*observed) {}, 0.002, false, false, 1},
		"the same with an engine that answers after a second": {func(x *observed) {
			x.ServerUsage.Before.At = x.ServerUsage.Before.At.Add(-s)
			x.ServerUsage.After.At = x.ServerUsage.After.At.Add(s)
		}, 0.202, false, false, 1},
		"a neighbour": {func(x *observed) {
			x.Attack.After.Services[0].Processes[0].CPU, x.ServerUsage.After.CPU = 9*s, time.Minute+8*s
		}, 0.2, false, true, 1},
		"more CPU time in the cell than in the container": {func(x *observed) {
			x.Attack.After.Services[0].Processes[0].CPU, x.ServerUsage.After.CPU = 11*s, time.Minute+6*s
		}, 0.4, false, true, 1},
		"no reading of the container": {func(x *observed) {
			x.Attack.After.Services[0].Processes[0].CPU, x.ServerUsage.Known = 8*s, false
		}, 0.3, false, true, 1},
		"two CPUs": {func(x *observed) {
			x.Layout.Server = []int{0, 1}
			x.Layout.Generator = []int{2}
			x.Attack.Before.CPUs = append(x.Attack.Before.CPUs, account.CPUTime{ID: 2})
			x.Attack.After.CPUs = append(x.Attack.After.CPUs, account.CPUTime{ID: 2})
		}, 0.002, false, false, 0.5}, // 20 ms of two
		"two CPUs shared with the generator": {func(x *observed) {
			x.Layout.Server = []int{0, 1}
		}, 0.002, false, false, 0.5},
	} {
		x := withEndedThreads()
		c.change(&x)
		if got, ok := metric.ForeignServerRatio(x.window()); !ok || math.Abs(got-c.foreign) > 1e-9 {
			t.Errorf("%s: foreign %v, %v, want %v", name, got, ok, c.foreign)
		}
		if _, ok := metric.BusiestThreadRatio(x.window()); ok != c.thread {
			t.Errorf("%s: busiest thread known %v", name, ok)
		}
		if _, ok := metric.BusiestProcessRatio(x.window()); ok != c.process {
			t.Errorf("%s: busiest process known %v", name, ok)
		}
		if got, ok := metric.SaturationRatio(x.window()); !ok || math.Abs(got-c.saturated) > 0.005 {
			t.Errorf("%s: saturation %v, %v, want %v", name, got, ok, c.saturated)
		}
	}
}

// CPU times are precise to a hundredth of the time between the readings.
func TestBusiestThreadIsKnownIfLittleTimeEnded(t *testing.T) {
	const precision = 100 * time.Millisecond
	for ended, want := range map[time.Duration]bool{precision: true, precision + 1: false} {
		x := withEndedThreads()
		x.ServerUsage.Known = false
		x.Attack.After.Services[0].Threads[0].CPU = time.Second // it was idle
		x.Attack.After.Services[0].Processes[0].CPU = time.Second + ended
		if _, ok := metric.BusiestThreadRatio(x.window()); ok != want {
			t.Errorf("%v ended of 10 s: busiest thread known %v", ended, ok)
		}
	}
}

func TestThrottledPeriodsIncludesQuotasAboveTheContainer(t *testing.T) {
	x := withEndedThreads()
	x.ServerUsage.Before.ThrottledPeriods, x.ServerUsage.Before.ThrottledAbove = 1, 10
	x.ServerUsage.After.ThrottledPeriods, x.ServerUsage.After.ThrottledAbove = 3, 15
	if n, ok := metric.ThrottledPeriods(x.window()); !ok || n != 7 {
		t.Errorf("%d periods, %v, want 7", n, ok)
	}
	if n, ok := metric.ThrottledAbove(x.window().Accounts.Server); !ok || n != 5 {
		t.Errorf("%d periods above, %v, want 5", n, ok)
	}
	x.ServerUsage.After.ThrottledAbove = 9
	if n, ok := metric.ThrottledPeriods(x.window()); ok {
		t.Errorf("%d periods from a counter that fell", n)
	}
}
