package account

import (
	"reflect"
	"testing"
	"time"

	"runtimelab/lab"
)

const ms = time.Millisecond

func ptr[T any](v T) *T { return &v }

// quiet returns the readings of one second in which each party used something. The
// container's readings lie 5 ms before and 5 ms after those of the cell.
func quiet() Readings {
	start := time.Unix(1000, 0)
	return Readings{
		Cell: CellReadings{
			GeneratorCPUs: []int{0},
			Before: Reading{
				At: start, ClockStep: ms, GeneratorCPU: time.Second, Sleeps: 10,
				CPUs: []CPUTime{
					{ID: 0, Idle: time.Hour, Steal: time.Hour, Interrupts: time.Hour},
					{ID: 1, Idle: time.Hour, Steal: time.Hour, Interrupts: time.Hour},
				},
				Services: []ServiceUsage{
					{
						Name: "server",
						Threads: []Thread{
							{PID: 7, TID: 7, CPU: time.Second, Sleeps: 5}, {PID: 7, TID: 8, CPU: time.Second},
						},
						Processes: []Process{{PID: 7, CPU: 3 * time.Second}},
					},
					{
						Name:      "upstream",
						Threads:   []Thread{{PID: 9, TID: 9, CPU: time.Second}},
						Processes: []Process{{PID: 9, CPU: time.Second}},
					},
					{Name: NoService, Processes: []Process{{PID: 1, Children: time.Second}}},
				},
			},
			After: Reading{
				At: start.Add(time.Second), ClockStep: 2 * ms,
				GeneratorCPU: 1600 * ms, Sleeps: 14,
				CPUs: []CPUTime{
					{ID: 1, Idle: time.Hour + 200*ms, Steal: time.Hour, Interrupts: time.Hour},
					{ID: 0, Idle: time.Hour + 100*ms, Steal: time.Hour + 20*ms, Interrupts: time.Hour + 30*ms},
				},
				Services: []ServiceUsage{
					{
						// Thread 8 has ended; 9 is new.
						Name: "server",
						Threads: []Thread{
							{PID: 7, TID: 9, CPU: 250 * ms, Sleeps: 2},
							{PID: 7, TID: 7, CPU: 1500 * ms, Sleeps: 8},
						},
						Processes: []Process{{PID: 7, CPU: 3780 * ms}},
					},
					{
						Name:      "upstream",
						Threads:   []Thread{{PID: 9, TID: 9, CPU: 1200 * ms, Sleeps: 3}},
						Processes: []Process{{PID: 9, CPU: 1200 * ms}},
					},
					{Name: NoService, Processes: []Process{{PID: 1, Children: 1010 * ms}}},
				},
			},
		},
		Services: []ServiceReadings{
			{Role: lab.RoleServer, Name: "server", CPUs: []int{1}, Usage: &UsageReadings{
				Before: Usage{
					At: start.Add(-5 * ms), CPU: time.Minute, ThrottledPeriods: 1, ThrottledAbove: 2,
					OOMEvents: 3,
				},
				After: Usage{
					At: start.Add(1005 * ms), CPU: time.Minute + 790*ms,
					ThrottledPeriods: 3, ThrottledAbove: 5, OOMEvents: 7, MemoryPeakBytes: ptr(int64(99)),
				},
			}},
			{
				Role: lab.RoleUpstream, Name: "upstream", CPUs: []int{0}, Calls: ptr(int64(42)),
				Counts: &CountReadings{
					Before: lab.DatabaseCounts{Statements: 7, Rows: 8, Stored: 9, Unbalanced: map[string]int64{"x": 1}},
					After:  lab.DatabaseCounts{Statements: 17, Rows: 28, Stored: 39, Unbalanced: map[string]int64{"y": 2}},
				},
			},
		},
	}
}

func TestBetweenAccountsForEachParty(t *testing.T) {
	want := lab.Accounts{
		WallTime: time.Second, ClockStep: 2 * ms,
		Generator: lab.GeneratorAccount{CPUs: []int{0}, CPU: ptr(600 * ms), Sleeps: ptr(int64(4))},
		Server: lab.ServiceAccount{
			Role: lab.RoleServer, Name: "server", CPUs: []int{1},
			CPU: ptr(780 * ms), Sleeps: 5,
			Threads:   lab.CPUSum{Total: 750 * ms, Largest: 500 * ms},
			Processes: lab.CPUSum{Total: 780 * ms, Largest: 780 * ms},
			Container: &lab.ContainerAccount{
				CPU: ptr(790 * ms), ThrottledPeriods: ptr(int64(2)), ThrottledAbove: ptr(int64(3)),
				OOMEvents: ptr(int64(4)), MemoryPeakBytes: ptr(int64(99)),
			},
		},
		Beside: []lab.ServiceAccount{{
			Role: lab.RoleUpstream, Name: "upstream", CPUs: []int{0},
			CPU: ptr(200 * ms), Sleeps: 3, Calls: ptr(int64(42)),
			Counts:    &lab.DatabaseCounts{Statements: 10, Rows: 20, Stored: 30, Unbalanced: map[string]int64{"y": 2}},
			Threads:   lab.CPUSum{Total: 200 * ms, Largest: 200 * ms},
			Processes: lab.CPUSum{Total: 200 * ms, Largest: 200 * ms},
		}},
		Unattributed: 10 * ms,
		CPUs: []lab.CPUAccount{
			{ID: 1, Idle: ptr(200 * ms), Steal: ptr(0 * ms), Interrupts: ptr(0 * ms), Uncharged: ptr(200 * ms)},
			{ID: 0, Idle: ptr(100 * ms), Steal: ptr(20 * ms), Interrupts: ptr(30 * ms), Uncharged: ptr(100 * ms)},
		},
	}
	if got := Between(quiet(), false); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	want.CPUs[1].Uncharged = ptr(130 * ms) // its interrupts are charged to no thread
	if got := Between(quiet(), true); !reflect.DeepEqual(got.CPUs, want.CPUs) {
		t.Errorf("with separate interrupts: %+v", got.CPUs)
	}
}

// The CPU time of the idle loop is a figure of its own, and no service's.
func TestBetweenAccountsForAWaitingGenerator(t *testing.T) {
	r := quiet()
	before, after := &r.Cell.Before, &r.Cell.After
	before.Services = append(before.Services, ServiceUsage{
		Name: lab.IdleLoopName, Processes: []Process{{PID: 2, CPU: 300 * ms}},
	})
	after.Services = append(after.Services, ServiceUsage{
		Name: lab.IdleLoopName, Processes: []Process{{PID: 2, CPU: 550 * ms}},
	})
	want := Between(quiet(), false)
	if got := Between(r, false); !reflect.DeepEqual(got, want) {
		t.Errorf("with a generator that polls: %+v, want %+v", got, want)
	}
	r.Cell.Waiting = &WaitingReading{}
	want.Generator.Waiting = &lab.WaitingAccount{IdleLoop: 250 * ms}
	if got := Between(r, false); !reflect.DeepEqual(got, want) {
		t.Errorf("with an unknown slice: %+v, want %+v", got, want)
	}
	r.Cell.Waiting.Slice = ms
	after.Services = after.Services[:3] // it has ended
	want.Generator.Waiting = &lab.WaitingAccount{Slice: ptr(ms)}
	if got := Between(r, false); !reflect.DeepEqual(got, want) {
		t.Errorf("with a loop that has ended: %+v, want %+v", got, want)
	}
}

// What a reading does not support is unknown, and nothing else is.
func TestBetweenMarksWhatIsUnknown(t *testing.T) {
	for name, c := range map[string]struct {
		read func(*Readings)
		want func(*lab.Accounts)
	}{
		"no time between the readings": {
			func(r *Readings) { r.Cell.After.At = r.Cell.Before.At },
			func(a *lab.Accounts) {
				a.WallTime, a.Generator.CPU, a.Server.CPU, a.Beside[0].CPU = 0, nil, nil, nil
			},
		},
		"the generator's CPU time fell": {
			func(r *Readings) { r.Cell.After.GeneratorCPU = 999 * ms },
			func(a *lab.Accounts) { a.Generator.CPU = nil },
		},
		"the generator's sleeps fell": {
			func(r *Readings) { r.Cell.After.Sleeps = 9 },
			func(a *lab.Accounts) { a.Generator.Sleeps = nil },
		},
		"the upstream's CPU time fell": {
			func(r *Readings) {
				upstream := &r.Cell.After.Services[1]
				upstream.Threads[0].CPU, upstream.Processes[0].CPU = 0, 0
			},
			func(a *lab.Accounts) {
				a.Beside[0].CPU, a.Beside[0].Threads, a.Beside[0].Processes = ptr(0*ms), lab.CPUSum{}, lab.CPUSum{}
			},
		},
		"the upstream's calls were not counted": {
			func(r *Readings) { r.Services[1].Calls = nil },
			func(a *lab.Accounts) { a.Beside[0].Calls = nil },
		},
		"a service was not asked for its counts": {
			func(r *Readings) { r.Services[1].Counts = nil },
			func(a *lab.Accounts) { a.Beside[0].Counts = nil },
		},
		"a count of a service fell": {
			func(r *Readings) { r.Services[1].Counts.After.Statements = 6 },
			func(a *lab.Accounts) { a.Beside[0].Counts = nil },
		},
		"no upstream": {
			func(r *Readings) { r.Services = r.Services[:1] },
			func(a *lab.Accounts) { a.Beside = nil },
		},
		"a CPU went offline": {
			func(r *Readings) { r.Cell.After.CPUs = r.Cell.After.CPUs[:1] },
			func(a *lab.Accounts) { a.CPUs = a.CPUs[:1] },
		},
		"a CPU came online": {
			func(r *Readings) { r.Cell.Before.CPUs = r.Cell.Before.CPUs[1:] },
			func(a *lab.Accounts) { a.CPUs = a.CPUs[:1] },
		},
		"a CPU's idle time fell by a tick": {
			func(r *Readings) { r.Cell.After.CPUs[0].Idle = time.Hour - 10*ms },
			func(a *lab.Accounts) { a.CPUs[0].Idle, a.CPUs[0].Uncharged = ptr(0*ms), ptr(0*ms) },
		},
		"a CPU's idle time fell by more": {
			func(r *Readings) { r.Cell.After.CPUs[0].Idle = time.Hour - 11*ms },
			func(a *lab.Accounts) { a.CPUs[0].Idle, a.CPUs[0].Uncharged = nil, nil },
		},
		"a CPU's steal and interrupts fell": {
			func(r *Readings) { r.Cell.After.CPUs[1].Steal, r.Cell.After.CPUs[1].Interrupts = 0, 0 },
			func(a *lab.Accounts) { a.CPUs[1].Steal, a.CPUs[1].Interrupts = nil, nil },
		},
		"the server ended": {
			func(r *Readings) { r.Cell.After.Services[0] = ServiceUsage{Name: "server"} },
			func(a *lab.Accounts) {
				a.Server.CPU, a.Server.Ended, a.Server.Sleeps = nil, true, 0
				a.Server.Threads, a.Server.Processes = lab.CPUSum{}, lab.CPUSum{}
			},
		},
		"the container could not be read": {
			func(r *Readings) { r.Services[0].Usage = nil },
			func(a *lab.Accounts) { a.Server.Container = nil },
		},
		"the container's counters fell": {
			func(r *Readings) {
				r.Services[0].Usage.After = Usage{At: r.Services[0].Usage.After.At, ThrottledAbove: 2}
			},
			func(a *lab.Accounts) { a.Server.Container = &lab.ContainerAccount{ThrottledAbove: ptr(int64(0))} },
		},
	} {
		r, want := quiet(), Between(quiet(), false)
		c.read(&r)
		c.want(&want)
		if got := Between(r, false); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", name, got, want)
		}
	}
}

// Idle time may fall by a tick while interrupts rise: their sum counts where the kernel
// separates them.
func TestBetweenSumsIdleAndInterruptsBeforeItLooksForAFall(t *testing.T) {
	r := quiet()
	r.Cell.After.CPUs[1].Idle = time.Hour - 10*ms
	cpu := Between(r, true).CPUs[1]
	if *cpu.Idle != 0 || *cpu.Uncharged != 20*ms {
		t.Errorf("idle %v, uncharged %v, want 0 and 20 ms", *cpu.Idle, *cpu.Uncharged)
	}
	r.Cell.After.CPUs[1].Idle = time.Hour - 50*ms
	if cpu := Between(r, true).CPUs[1]; cpu.Uncharged != nil {
		t.Errorf("uncharged %v of a sum that fell by 20 ms", *cpu.Uncharged)
	}
}

// The server's CPU time is the larger of two lower bounds, and at most the container's.
func TestServerCPUCombinesTheCellAndTheContainer(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Readings)
		want   time.Duration
	}{
		"threads alone": {func(r *Readings) {
			r.Cell.After.Services[0].Processes, r.Services[0].Usage = nil, nil
		}, 750 * ms},
		"processes count more": {func(r *Readings) { r.Services[0].Usage = nil }, 780 * ms},
		"children that were lost": {
			func(r *Readings) { r.Services[0].Usage.After.CPU = time.Minute + 990*ms },
			980 * ms,
		},
		"more than the container": {
			func(r *Readings) { r.Services[0].Usage.After.CPU = time.Minute + 700*ms },
			700 * ms,
		},
		"an idle container":     {func(r *Readings) { r.Services[0].Usage.After.CPU = time.Minute }, 780 * ms},
		"a container that fell": {func(r *Readings) { r.Services[0].Usage.After.CPU = 0 }, 780 * ms},
		"an engine without a time": {func(r *Readings) {
			r.Services[0].Usage.Before.At, r.Services[0].Usage.After.CPU = time.Time{}, time.Minute+700*ms
		}, 780 * ms},
		"a slow engine": {func(r *Readings) {
			r.Services[0].Usage.After.CPU = time.Minute + 990*ms
			r.Services[0].Usage.After.At = r.Services[0].Usage.After.At.Add(100 * ms)
		}, 880 * ms},
	} {
		r := quiet()
		c.change(&r)
		if got := Between(r, false).Server.CPU; got == nil || *got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	lost := quiet()
	lost.Services[0].Usage.After.CPU = time.Minute + 990*ms
	lost.Services[0].CPUs = []int{1, 2}
	if got := Between(lost, false).Server.CPU; *got != 970*ms { // 10 ms outside on each of two CPUs
		t.Errorf("on two CPUs %v, want 970 ms", *got)
	}
}

func TestBusiestProcessIsSummedFromThreadsWithoutProcesses(t *testing.T) {
	r := quiet()
	r.Cell.After.Services[0].Processes = nil
	r.Cell.After.Services[0].Threads = append(r.Cell.After.Services[0].Threads,
		Thread{PID: 8, TID: 8, CPU: 100 * ms})
	want := lab.CPUSum{Total: 850 * ms, Largest: 750 * ms}
	if got := Between(r, false).Server.Processes; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// What one service used is never in the account of another, whatever its processes are called.
func TestEveryServiceHasItsOwnAccount(t *testing.T) {
	r := quiet()
	alone := Between(r, false).Server
	busy := &r.Cell.After.Services[1]
	busy.Threads[0].CPU, busy.Processes[0].CPU = time.Hour, time.Hour
	busy.Processes = append(busy.Processes, Process{PID: 1, Children: time.Hour})
	if got := Between(r, false).Server; !reflect.DeepEqual(got, alone) {
		t.Errorf("beside a busy service the server has %+v, want %+v", got, alone)
	}
	r.Services[1].Usage = &UsageReadings{
		Before: Usage{At: r.Cell.Before.At, CPU: time.Second}, After: Usage{
			At:  r.Cell.After.At,
			CPU: 4 * time.Second,
		},
	}
	if got := Between(r, false).Beside[0]; *got.CPU != 3*time.Second || *got.Container.CPU != 3*time.Second {
		t.Errorf("its own CPU time is %v, and %v of its container; want 3 s", *got.CPU, *got.Container.CPU)
	}
}

// Replicas of a server are one server to the figures, and each keeps its account.
func TestReplicasOfAServerAreSummed(t *testing.T) {
	r := quiet()
	replica := r.Services[0]
	replica.Name, replica.CPUs = "replica", []int{1, 2}
	r.Services = append(r.Services, replica)
	for i, reading := range []*Reading{&r.Cell.Before, &r.Cell.After} {
		used := []time.Duration{0, 900 * ms}[i]
		reading.Services = append(reading.Services, ServiceUsage{
			Name: "replica", Threads: []Thread{{PID: 5, TID: 5, CPU: used, Sleeps: int64(i)}},
			Processes: []Process{{PID: 5, CPU: used}},
		})
	}
	a := Between(r, false)
	want := lab.ServiceAccount{
		Role: lab.RoleServer, Name: "server, replica", CPUs: []int{1, 2},
		CPU: ptr(780*ms + 790*ms), Sleeps: 6,
		Threads:   lab.CPUSum{Total: 1650 * ms, Largest: 900 * ms},
		Processes: lab.CPUSum{Total: 1680 * ms, Largest: 900 * ms},
		Container: &lab.ContainerAccount{
			CPU: ptr(1580 * ms), ThrottledPeriods: ptr(int64(4)), ThrottledAbove: ptr(int64(6)),
			OOMEvents: ptr(int64(8)), MemoryPeakBytes: ptr(int64(198)),
		},
	}
	if !reflect.DeepEqual(a.Server, want) || len(a.Beside) != 1 {
		t.Errorf("got  %+v\nwant %+v", a.Server, want)
	}
	if len(a.Replicas) != 2 || *a.Replicas[0].CPU != 780*ms || *a.Replicas[1].CPU != 790*ms {
		t.Errorf("replicas %+v", a.Replicas)
	}
	r.Cell.After.Services[3].Threads, r.Services[2].Usage = nil, nil
	if got := Between(r, false).Server; got.CPU != nil || !got.Ended || got.Container != nil {
		t.Errorf("with a replica that ended: %+v", got)
	}
}
