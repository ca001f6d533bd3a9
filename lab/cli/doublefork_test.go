package cli

import (
	"context"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
	"runtimelab/lab/experiment"
	"runtimelab/lab/metric"
	"runtimelab/lab/session"
)

// doubleFork answers each request in a grandchild, whose parent ends first. The grandchild takes a
// few milliseconds of CPU time.
const doubleFork = `
import os, socket

listener = socket.create_server((os.environ["HOST"], int(os.environ["PORT"])), backlog=4096)
while True:
    client, _ = listener.accept()
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            while b"\r\n\r\n" not in client.recv(65536):
                pass
            sum(range(100_000))
            client.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\ndone")
        os._exit(0)
    client.close()
    os.waitpid(child, 0)
`

// A server that leaves an orphan at each request is measured like any other: the agent waits for
// its orphans, of which there are more than it may have processes, and their CPU time is its own.
func TestIntegrationAServerThatForksTwiceIsMeasured(t *testing.T) {
	const maxProcesses = 512
	inTestSession(t, func(ctx context.Context, s *session.Session) {
		c, err := s.Calibration(ctx, lab.DefaultGenerator, true)
		if err != nil {
			t.Fatal(err)
		}
		subj := application(ctx, t, s, "python")
		subj.variant = lab.Variant{
			Runtime: "test", Name: "double-fork", Command: []string{"/opt/venv/bin/python", "-c", doubleFork},
		}
		subj.target = lab.Target{
			Request: lab.Request{Method: "GET", Path: "/"}, Status: 200, Body: []byte("done"),
		}
		a := attackOn(subj, 8, 0, 6*time.Second)
		a.ConnectionPerRequest = true
		sample := measurePhase(ctx, t, s, subj, a, c)
		result := sample.Measured.Attack
		if result.Failed > 0 || result.Succeeded < maxProcesses+100 {
			t.Errorf("%d answers, %d failures %v; want more answers than a server may have processes",
				result.Succeeded, result.Failed, result.Errors)
		}
		expectForeignCPU(t, "double-fork", sample)
		used, _ := metric.ServerCPUSeconds(*sample.Measured)

		inCell(ctx, t, s, subj, func(in experiment.Cell) {
			observed, err := in.Attack(ctx, a)
			if err != nil {
				t.Fatal(err)
			}
			var orphans time.Duration
			for _, service := range observed.After.Services {
				for _, p := range service.Processes {
					if p.PID == 1 && service.Name == subj.variant.ID() {
						orphans = p.Children
					}
				}
			}
			t.Logf("orphans used %v; before, the server used %.2f s", orphans, used)
			if orphans.Seconds() < used/4 {
				t.Errorf("orphans used %v; before, the server used %.2f s", orphans, used)
			}
		})
	})
}

// busyOrphans keeps starting processes whose parents end before them, in sessions of their own. Each
// takes a few milliseconds of CPU time.
const busyOrphans = `
import os, time

while True:
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork() == 0:
            sum(range(100_000))
        os._exit(0)
    os.waitpid(child, 0)
    time.sleep(0.02)
`

// childTicks is by how much the CPU time of the children that one process waited for may seem to rise
// too much: its two counters, of user and system time, count in ticks.
const childTicks = 2 * 10 * time.Millisecond

// Two services leave orphans in one cell. The CPU time of each orphan is that of its service, and no
// service has more of it than its container.
func TestIntegrationOrphansBelongToTheirService(t *testing.T) {
	inTestSession(t, func(ctx context.Context, s *session.Session) {
		subj := application(ctx, t, s, "python")
		busy := lab.Service{
			Role: lab.RoleDatabase, Name: "busy", Image: subj.image, MemoryBytes: lab.ServerMemory,
			Command: []string{"/opt/venv/bin/python", "-c", busyOrphans},
			CPUs:    lab.CPURequest{Pinned: s.Layout.Generator},
		}
		subj.variant = lab.Variant{
			Runtime: "test", Name: "double-fork", Command: []string{"/opt/venv/bin/python", "-c", doubleFork},
		}
		subj.target = lab.Target{
			Request: lab.Request{Method: "GET", Path: "/"}, Status: 200, Body: []byte("done"),
		}
		a := attackOn(subj, 2, 0, 3*time.Second)
		a.ConnectionPerRequest, a.SleepWhenIdle = true, true
		inCell(ctx, t, s, subj, func(in experiment.Cell) {
			readings := account.Readings{}
			containers := map[string]time.Duration{} // CPU time around the attack
			addUsage := func(sign time.Duration) {
				for _, service := range in.Services() {
					used, err := service.Usage(ctx)
					if err != nil {
						t.Fatal(err)
					}
					containers[service.Spec().Name] += sign * used.CPU
				}
			}
			for _, service := range in.Services() {
				readings.Services = append(readings.Services,
					account.ServiceReadings{Role: service.Spec().Role, Name: service.Spec().Name})
			}
			addUsage(-1)
			o, err := in.Attack(ctx, a)
			if err != nil {
				t.Fatal(err)
			}
			addUsage(1)
			readings.Cell = o.CellReadings
			accounts := account.Between(readings, false)
			for _, service := range append(accounts.Beside, accounts.Server) {
				container := containers[service.Name]
				if service.CPU == nil {
					t.Fatalf("%s: %+v", service.Name, service)
				}
				t.Logf("%s: %v of CPU time, its processes that run %v, its container %v",
					service.Name, *service.CPU, service.Processes.Total, container)
				if *service.CPU > container+childTicks || *service.CPU < container*3/4 {
					t.Errorf("%s used %v in the cell, its container %v", service.Name, *service.CPU, container)
				}
				if service.Processes.Total > *service.CPU/2 {
					t.Errorf("%s used %v, of which its processes that run %v: it left few orphans",
						service.Name, *service.CPU, service.Processes.Total)
				}
			}
			if accounts.Unattributed != 0 || len(accounts.Beside) != 1 {
				t.Errorf("%v of CPU time belong to no service; beside the server: %+v",
					accounts.Unattributed, accounts.Beside)
			}
		}, busy)
	})
}
