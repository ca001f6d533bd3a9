package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"runtimelab/lab"
	"runtimelab/lab/account"
	"runtimelab/lab/experiment"
	"runtimelab/lab/serve"
	"runtimelab/lab/session"
)

// A generator that shares its CPU has an idle loop, which keeps that CPU from halting. Its CPU time is
// idle time, and nobody else's. It ends with the cell, whatever ends that.
func TestIntegrationAWaitingGeneratorsCPUDoesNotHalt(t *testing.T) {
	c := needEngine(t)
	inTestSession(t, func(ctx context.Context, s *session.Session) {
		upstream, null := serve.Upstream(), responder(s, serve.Null())
		upstream.Image = s.Agent
		a := attackOn(null, 4, 100, time.Second)
		a.Arrivals = lab.Poisson
		inCell(ctx, t, s, null, func(in experiment.Cell) {
			if roles := rolesOf(t, c, s.ID); slices.Contains(roles, "idle-loop") {
				t.Errorf("a generator that polls has the containers %q", roles)
			}
			if o, err := in.Attack(ctx, a); err != nil || o.Waiting != nil {
				t.Errorf("a generator that polls: %+v, %v", o.Waiting, err)
			}
		})
		inCell(ctx, t, s, null, func(in experiment.Cell) {
			loop := containerOf(ctx, t, c, s, "idle-loop")
			expectIdlePriority(t, s, loop)
			if names := serviceNames(in); !slices.Equal(names, []string{"upstream", "lab/null"}) {
				t.Errorf("services of a trial are %q", names)
			}
			a.SleepWhenIdle = true
			mustAttack(ctx, t, in, a) // the loop starts up
			o, err := in.Attack(ctx, a)
			if err != nil {
				t.Fatal(err)
			}
			expectNoHalt(t, s, in, o)
			generator := containerOf(ctx, t, c, s, "generator")
			if _, err := c.ContainerKill(ctx, generator.ID, client.ContainerKillOptions{}); err != nil {
				t.Fatal(err)
			}
			ended := c.ContainerWait(ctx, loop.ID, client.ContainerWaitOptions{
				Condition: container.WaitConditionNotRunning,
			})
			select {
			case <-ended.Result:
			case err := <-ended.Error:
				t.Error(err)
			case <-time.After(firstAnswerTimeout):
				t.Error("the idle loop runs without its generator")
			}
		}, upstream)
		if roles := rolesOf(t, c, s.ID); !slices.Equal(roles, []string{"lease", "lock"}) {
			t.Errorf("after the cells there are %q", roles)
		}
	})
}

// containerOf returns the only container of a session with a role.
func containerOf(
	ctx context.Context, t *testing.T, c *client.Client, s *session.Session, role string,
) container.InspectResponse {
	t.Helper()
	found, err := c.ContainerList(ctx, client.ContainerListOptions{
		Filters: make(client.Filters).Add("label", "io.runtime-lab.run="+s.ID, "io.runtime-lab.role="+role),
	})
	if err != nil || len(found.Items) != 1 {
		t.Fatalf("%d containers are a %s, error %v", len(found.Items), role, err)
	}
	inspected, err := c.ContainerInspect(ctx, found.Items[0].ID, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return inspected.Container
}

// expectIdlePriority expects that a container has the least weight on the generator's CPUs, that
// servers may not signal its processes, and that all of its threads have idle priority.
func expectIdlePriority(t *testing.T, s *session.Session, loop container.InspectResponse) {
	t.Helper()
	if h := loop.HostConfig; h.CPUShares != 2 || h.CpusetCpus != lab.CPUList(s.Layout.Generator) ||
		loop.Config.User != lab.AgentUser {
		t.Errorf("the idle loop has %d shares of CPUs %s, as user %s", h.CPUShares, h.CpusetCpus, loop.Config.User)
	}
	tasks := fmt.Sprintf("/proc/%d/task", loop.State.Pid)
	deadline := time.Now().Add(firstAnswerTimeout)
	for ; ; time.Sleep(10 * time.Millisecond) { // it has just started
		threads, err := os.ReadDir(tasks)
		if err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("CI needs an engine on this machine: %v", err)
			}
			t.Skipf("the engine is on another machine: %v", err)
		}
		other := 0
		for _, thread := range threads {
			id, err := strconv.Atoi(thread.Name())
			if err != nil {
				t.Fatal(err)
			}
			if attr, err := unix.SchedGetAttr(id, 0); err != nil || attr.Policy != unix.SCHED_IDLE {
				other++
			}
		}
		if other == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d threads of the idle loop have no idle priority", other)
		}
	}
}

// expectNoHalt expects that the idle loop kept the generator's CPU from halting in an attack, and that
// its CPU time is no service's.
func expectNoHalt(t *testing.T, s *session.Session, in experiment.Cell, o account.Observation) {
	t.Helper()
	readings := account.Readings{Cell: o.CellReadings}
	for _, service := range in.Services() {
		readings.Services = append(readings.Services, account.ServiceReadings{
			Role: service.Spec().Role, Name: service.Spec().Name, CPUs: service.Grant().CPUs,
		})
	}
	a := account.Between(readings, false)
	waiting := a.Generator.Waiting
	if waiting == nil || waiting.IdleLoop <= 0 || a.Unattributed != 0 {
		t.Fatalf("the generator has %+v, and %v belong to nobody", waiting, a.Unattributed)
	}
	if waiting.Slice != nil && *waiting.Slice != lab.WaitingSlice {
		t.Errorf("the generator's slice was %v", *waiting.Slice)
	}
	for _, cpu := range a.CPUs {
		// Idle time counts in steps of 10 ms.
		if slices.Contains(s.Layout.Generator, cpu.ID) && (cpu.Idle == nil || *cpu.Idle > a.WallTime/10) {
			t.Errorf("CPU %d was idle for %v of %v", cpu.ID, cpu.Idle, a.WallTime)
		}
	}
	pids := map[int]string{}
	for _, service := range o.After.Services {
		for _, p := range service.Processes {
			if other, known := pids[p.PID]; known {
				t.Errorf("process %d belongs to %s and to %s", p.PID, other, service.Name)
			}
			pids[p.PID] = service.Name
		}
	}
	t.Log("processes by service: " + strings.TrimPrefix(fmt.Sprint(pids), "map"))
}

// serviceNames returns the names of the services of a trial's cell.
func serviceNames(in experiment.Cell) (names []string) {
	for _, s := range in.Services() {
		names = append(names, s.Spec().Name)
	}
	return names
}
