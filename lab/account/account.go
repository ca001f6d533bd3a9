// Package account turns two readings of a cell, and two of the container of each of its services,
// into what each party used between them. Cells and engines produce the readings;
// figures and gates know the accounts only.
package account

import (
	"time"

	"runtimelab/lab"
)

// Readings holds what was read around one window of load.
type Readings struct {
	Cell     CellReadings
	Services []ServiceReadings // those of the trial
}

// ServiceReadings holds what was read of one service outside of the cell, and where it ran.
type ServiceReadings struct {
	Role  lab.Role
	Name  string         // as in the cell's readings
	CPUs  []int          // that the engine granted it
	Usage *UsageReadings // nil if its container was not read
	Calls *int64         // calls that it answered; nil if they were not counted
	// Counts are those before and after; nil if it was not asked.
	Counts *CountReadings
}

// Between returns what each party used between two readings. separateIRQTime says that
// the kernel charges interrupts to no thread.
func Between(r Readings, separateIRQTime bool) lab.Accounts {
	before, after := r.Cell.Before, r.Cell.After
	a := lab.Accounts{
		WallTime: after.At.Sub(before.At), ClockStep: after.ClockStep,
		Generator: lab.GeneratorAccount{
			CPUs: r.Cell.GeneratorCPUs, Sleeps: increase(before.Sleeps, after.Sleeps),
		},
		Unattributed: max(cellCPU(before.service(NoService), after.service(NoService)), 0),
		CPUs:         cpuAccounts(before.CPUs, after.CPUs, separateIRQTime),
	}
	if a.WallTime > 0 {
		a.Generator.CPU = increase(before.GeneratorCPU, after.GeneratorCPU)
	}
	a.Generator.Waiting = waitingAccount(r.Cell)
	var servers []lab.ServiceAccount
	for _, s := range r.Services {
		account := serviceAccount(s, r.Cell)
		if s.Role.Traits().Measured {
			servers = append(servers, account)
		} else {
			a.Beside = append(a.Beside, account)
		}
	}
	a.Server = sumReplicas(servers)
	if len(servers) > 1 {
		a.Replicas = servers
	}
	return a
}

// waitingAccount returns how ready a generator was that waited, or nil if it polled. The idle loop needs
// no reading of its container: it starts no process.
func waitingAccount(r CellReadings) *lab.WaitingAccount {
	if r.Waiting == nil {
		return nil
	}
	w := &lab.WaitingAccount{
		IdleLoop: cellCPU(r.Before.service(lab.IdleLoopName), r.After.service(lab.IdleLoopName)),
	}
	if r.Waiting.Slice > 0 {
		w.Slice = &r.Waiting.Slice
	}
	return w
}

// increase returns by how much a counter rose, or nil if it fell.
func increase[Count ~int64](before, after Count) *Count {
	if after < before {
		return nil
	}
	rise := after - before
	return &rise
}

// clockTick is the unit of /proc/stat.
const clockTick = 10 * time.Millisecond

// cpuAccounts returns what each CPU did that both readings have: one of the others went
// offline or came online.
func cpuAccounts(before, after []CPUTime, separateIRQTime bool) (accounts []lab.CPUAccount) {
	first := make(map[int]CPUTime, len(before))
	for _, c := range before {
		first[c.ID] = c
	}
	for _, c := range after {
		was, inBoth := first[c.ID]
		if !inBoth {
			continue
		}
		a := lab.CPUAccount{
			ID:         c.ID,
			Idle:       tickIncrease(was.Idle, c.Idle),
			Steal:      tickIncrease(was.Steal, c.Steal),
			Interrupts: tickIncrease(was.Interrupts, c.Interrupts),
		}
		a.Uncharged = a.Idle
		if separateIRQTime {
			a.Uncharged = tickIncrease(was.Idle+was.Interrupts, c.Idle+c.Interrupts)
		}
		accounts = append(accounts, a)
	}
	return accounts
}

// tickIncrease returns by how much a counter of /proc/stat rose, or nil if it fell by
// more than a tick. A fall of up to a tick counts as no increase, because the kernel's
// iowait may fall (proc(5)).
func tickIncrease(before, after time.Duration) *time.Duration {
	if after-before < -clockTick {
		return nil
	}
	rise := max(after-before, 0)
	return &rise
}
