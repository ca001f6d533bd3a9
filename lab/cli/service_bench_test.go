package cli

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
	"runtimelab/lab/experiment"
	"runtimelab/lab/gate"
	"runtimelab/lab/metric"
	"runtimelab/lab/serve"
	"runtimelab/lab/session"
	"runtimelab/lab/stat"
)

// onAndOff is a service that uses 40 % of a CPU for a second, in periods of 10 ms, and then nothing
// for a second, and so on.
const onAndOff = `
import time

while True:
    end = time.monotonic() + 1
    while time.monotonic() < end:
        until = time.perf_counter() + 0.004
        while time.perf_counter() < until:
            pass
        time.sleep(0.006)
    time.sleep(1)
`

// besideService is what a server used in an attack beside a service that was busy or idle.
type besideService struct {
	share                float64 // of its CPU that the service used
	container, processes float64 // CPU time per request of the server's container, and of its processes
	sleeps               float64 // per request: how often the server's threads gave up the CPU
	foreign, steal       float64 // shares of the CPUs of generator and server
}

func (m besideService) busy() bool { return m.share > 0.2 }
func (m besideService) idle() bool { return m.share < 0.02 }

// BenchmarkBusyService measures a server beside a service on the generator's CPU that is busy for a
// second and idle for a second. The generator waits in the kernel, as it does in trials with such a
// service. The server's CPU time per request must differ by less than 2 %: neither its container's nor
// that of its processes contains the service's.
//
// Saturated is a server that polls. Sleeping is one that sleeps between requests, as servers of real
// trials do. Without the generator's short slices and idle loop it differs by more than the limit: see
// METHOD.md.
//
// Each busy attack is compared with the idle ones next to it, because the machine's speed may change
// within seconds by more than that.
func BenchmarkBusyService(b *testing.B) {
	const limit = 0.02
	b.Run("saturated", func(b *testing.B) {
		inBenchSession(b, func(ctx context.Context, s *session.Session) {
			server := responder(s, serve.Reference("fixed", 500_000))
			a := attackOn(server, 16, 0, 300*time.Millisecond)
			reportBusyService(b, measureBesideService(ctx, b, s, server, a), limit)
		})
	})
	b.Run("sleeping", func(b *testing.B) {
		inBenchSession(b, func(ctx context.Context, s *session.Session) {
			server := application(ctx, b, s, "node")
			a := attackOn(server, 16, 1000, 300*time.Millisecond)
			a.Arrivals = lab.Poisson
			reportBusyService(b, measureBesideService(ctx, b, s, server, a), limit)
		})
	})
}

// measureBesideService repeats an attack on a server beside a service that is busy in some of them.
func measureBesideService(
	ctx context.Context, b *testing.B, s *session.Session, server subject, a lab.Attack,
) (measured []besideService) {
	b.Helper()
	const attacks = 240
	service := lab.Service{
		Role: lab.RoleDatabase, Name: "on-and-off", Image: application(ctx, b, s, "python").image,
		Command: []string{"/opt/venv/bin/python", "-c", onAndOff}, MemoryBytes: lab.ServerMemory,
		CPUs: lab.CPURequest{Pinned: s.Layout.Generator},
	}
	a.SleepWhenIdle = true
	inCell(ctx, b, s, server, func(in experiment.Cell) {
		mustAttack(ctx, b, in, a) // a warm-up
		for range attacks {
			measured = append(measured, attackBesideService(ctx, b, in, s.Layout, a))
		}
	}, service)
	return measured
}

// attackBesideService runs one attack on a cell with a server and a service.
func attackBesideService(
	ctx context.Context, b *testing.B, in experiment.Cell, l lab.Layout, a lab.Attack,
) besideService {
	b.Helper()
	var readings account.Readings
	for _, s := range in.Services() {
		before, err := s.Usage(ctx)
		if err != nil {
			b.Fatal(err)
		}
		readings.Services = append(readings.Services, account.ServiceReadings{
			Role: s.Spec().Role, Name: s.Spec().Name, CPUs: s.Grant().CPUs,
			Usage: &account.UsageReadings{Before: before},
		})
	}
	o, err := in.Attack(ctx, a)
	if err != nil {
		b.Fatal(err)
	}
	for i, s := range in.Services() {
		if readings.Services[i].Usage.After, err = s.Usage(ctx); err != nil {
			b.Fatal(err)
		}
	}
	readings.Cell = o.CellReadings
	w := lab.Window{Layout: l, Attack: o.AttackResult, Accounts: account.Between(readings, false)}
	if w.Accounts.Server.CPU == nil || w.Accounts.Unattributed != 0 || len(w.Accounts.Beside) != 1 {
		b.Fatalf("accounts %+v", w.Accounts)
	}
	m := besideService{share: metric.ServiceCPURatio(w, w.Accounts.Beside[0])}
	m.container, _ = metric.CPUPerRequestUS(w)
	m.processes = float64(*w.Accounts.Server.CPU) / float64(time.Microsecond) / float64(w.Attack.Succeeded)
	m.sleeps = float64(w.Accounts.Server.Sleeps) / float64(w.Attack.Succeeded)
	m.foreign, _ = metric.ForeignCPURatio(w)
	m.steal, _ = metric.StealRatio(w)
	return m
}

// reportBusyService compares each attack beside the busy service with the last before it and the first
// after it beside the idle one.
//
// It leaves out attacks beside other work, which would be disturbed in a trial.
func reportBusyService(b *testing.B, all []besideService, limit float64) {
	b.Helper()
	measured := slices.DeleteFunc(slices.Clone(all),
		func(m besideService) bool { return m.foreign > gate.MaxForeignCPU })
	stolen := 0
	for _, m := range all {
		if m.steal > 0 {
			stolen++
		}
	}
	fmt.Printf("busy service: %d of %d attacks ran beside other work and are left out; steal was seen in %d\n",
		len(all)-len(measured), len(all), stolen)
	var containers, processes, shares, busySleeps, idleSleeps []float64
	nextIdle := func(i, step int) int {
		for i += step; i >= 0 && i < len(measured) && !measured[i].idle(); i += step {
		}
		return i
	}
	for i, m := range measured {
		before, after := nextIdle(i, -1), nextIdle(i, 1)
		if m.idle() {
			idleSleeps = append(idleSleeps, m.sleeps)
		}
		if !m.busy() || before < 0 || after >= len(measured) {
			continue
		}
		ratio := func(of func(besideService) float64) float64 {
			return math.Log(of(m)) - (math.Log(of(measured[before]))+math.Log(of(measured[after])))/2
		}
		shares, busySleeps = append(shares, m.share), append(busySleeps, m.sleeps)
		containers = append(containers, ratio(func(m besideService) float64 { return m.container }))
		processes = append(processes, ratio(func(m besideService) float64 { return m.processes }))
	}
	if len(shares) < len(all)/8 {
		b.Fatalf("the service was busy in %d of %d attacks", len(shares), len(all))
	}
	container, inCell := math.Expm1(stat.Median(containers)), math.Expm1(stat.Median(processes))
	fmt.Printf("busy service: it used %.0f%% of the generator's CPU; beside it the server's CPU time per "+
		"request was %+.2f%% by its container, %+.2f%% by its processes, and it slept %.2f times "+
		"per request instead of %.2f (medians of %d attacks)\n", 100*stat.Median(shares), 100*container,
		100*inCell, stat.Median(busySleeps), stat.Median(idleSleeps), len(shares))
	b.ReportMetric(100*container, "%container")
	b.ReportMetric(100*inCell, "%processes")
	for _, difference := range []float64{container, inCell} {
		if math.Abs(difference) >= limit {
			b.Errorf("the server's CPU time differs by %+.1f%%, limit %.0f%%", 100*difference, 100*limit)
		}
	}
}
