package cli

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/serve"
	"runtimelab/lab/session"
	"runtimelab/lab/stat"
)

// busyLoop is a service that uses 40 % of a CPU, in periods of 10 ms. idleLoop is the same one when
// it has nothing to do.
const (
	busyLoop = `
import time

while True:
    until = time.perf_counter() + 0.004
    while time.perf_counter() < until:
        pass
    time.sleep(0.006)
`
	idleLoop = "import time\ntime.sleep(3600)"
)

// BenchmarkBusyService measures a server beside a service on the generator's CPU that is busy in one
// trial and idle in the next, at the same rate of requests. The server's CPU time per request must
// differ by less than 2 %: neither its container's nor that of its processes contains the service's.
func BenchmarkBusyService(b *testing.B) {
	const pairs, limit = 10, 0.02
	inBenchSession(b, func(ctx context.Context, s *session.Session) {
		python := application(ctx, b, s, "python")
		server := responder(s, serve.Reference("fixed", 500_000))
		measure := func(loop string) (container, processes, service float64) {
			beside := lab.Service{
				Role: lab.RoleDatabase, Name: "loop", Image: python.image, MemoryBytes: lab.ServerMemory,
				Command: []string{"/opt/venv/bin/python", "-c", loop},
				CPUs:    lab.CPURequest{Pinned: s.Layout.Generator},
			}
			a := attackOn(server, 16, 500, 3*time.Second)
			a.SleepWhenIdle = true
			w := *measurePhase(ctx, b, s, server, a, lab.Calibration{}, beside).Measured
			container, _ = metric.CPUPerRequestUS(w)
			if w.Accounts.Server.CPU == nil || w.Accounts.Unattributed != 0 {
				b.Fatalf("the server's account is %+v; %v belong to no service",
					w.Accounts.Server, w.Accounts.Unattributed)
			}
			processes = float64(w.Accounts.Server.CPU.Microseconds()) / float64(w.Attack.Succeeded)
			return container, processes, metric.ServiceCPURatio(w, w.Accounts.Beside[0])
		}
		var containers, processes, shares []float64
		for i := range pairs {
			loops := []string{busyLoop, idleLoop}
			if i%2 == 1 {
				slices.Reverse(loops)
			}
			perRequest := map[string][2]float64{}
			for _, loop := range loops {
				container, inCell, share := measure(loop)
				perRequest[loop] = [2]float64{container, inCell}
				if loop == busyLoop {
					shares = append(shares, share)
				}
			}
			containers = append(containers, perRequest[busyLoop][0]/perRequest[idleLoop][0]-1)
			processes = append(processes, perRequest[busyLoop][1]/perRequest[idleLoop][1]-1)
		}
		fmt.Printf("busy service: it used %.0f%% of the generator's CPU; the server's CPU time per request was "+
			"%+.2f%% beside it, %+.2f%% by its processes (medians of %d pairs)\n", 100*stat.Median(shares),
			100*stat.Median(containers), 100*stat.Median(processes), pairs)
		b.ReportMetric(100*stat.Median(containers), "%container")
		b.ReportMetric(100*stat.Median(processes), "%processes")
		for _, difference := range []float64{stat.Median(containers), stat.Median(processes)} {
			if math.Abs(difference) >= limit {
				b.Errorf("the difference is %+.1f%%, limit %.0f%%", 100*difference, 100*limit)
			}
		}
		if share := stat.Median(shares); share < 0.2 {
			b.Errorf("the busy service used %.0f%% of its CPU", 100*share)
		}
	})
}
