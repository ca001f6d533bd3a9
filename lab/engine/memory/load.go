package memory

import (
	"math/rand/v2"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
)

// Figures of all servers and services. They leave every gate's limit far away.
const (
	peakRPS = 10_000 // of a server on one CPU, which is then busy
	noise   = 0.01   // standard deviation of a peak, as a share

	fullQueue = 0.99 // share of its CPUs at which a server's queue stops growing

	sleepingGenerator = 0.3 // share of its CPU that a generator uses which waits in the kernel
	pollingGenerator  = 0.7 // share of its time in which a generator that polls finds no work
	besideShare       = 0.1 // share of a CPU that each service beside the server uses
)

// load is what a server does in an attack.
type load struct {
	rps  float64 // answers per second
	busy float64 // share of its CPUs
}

// loadOf returns the load of an attack on a server with so many CPUs. The server's peak varies with the
// attack's seed.
func (e *Engine) loadOf(a lab.Attack, s lab.Service, cpus int) load {
	random := rand.New(rand.NewPCG(a.Seed, uint64(len(a.Kind))))
	peak := float64(peakRPS)
	if e.PeakRPS != nil {
		peak = e.PeakRPS(s)
	}
	peak *= float64(cpus) * (1 + noise*random.NormFloat64())
	if len(a.Rate) == 0 {
		return load{peak, 1}
	}
	rate := (a.Rate[0].FromRPS + a.Rate[0].ToRPS) / 2
	return load{min(rate, peak), min(rate/peak, 1)}
}

// result returns what the generator measures of a load.
func (l load) result(a lab.Attack, began time.Time, lasts time.Duration) lab.AttackResult {
	n := int64(l.rps * lasts.Seconds())
	r := lab.AttackResult{
		StartedAt: began, Elapsed: lasts,
		HitCounts: lab.HitCounts{
			Intended: n, Sent: n, Succeeded: n, WithinDeadline: n, BytesIn: 100 * n,
			ConnectionsOpened: int64(a.Connections),
		},
	}
	meanMS := 1000 * l.busy / l.rps // the time that a request takes of a CPU
	if len(a.Rate) == 0 {
		meanMS *= float64(a.Connections) // each waits for all others
	} else {
		meanMS /= 1 - min(l.busy, fullQueue) // the wait in the queue of a server that is so busy (M/M/1)
		r.Corrected, r.SendLag = latency(n, meanMS), latency(n, meanMS/100)
	}
	if a.Kind.Traits().Pacing == lab.ArrivingClients {
		r.LadderRPS = l.rps
	}
	r.Raw, r.FirstByte = latency(n, meanMS), latency(n, meanMS)
	if !a.SleepWhenIdle {
		r.IdlePolling = time.Duration(pollingGenerator * float64(lasts))
	}
	return r
}

// charge charges all parties of the cell for an attack on a server: with CPU time, and the services
// beside the server with a call for each answer.
func (c *Cell) charge(a lab.Attack, server *container, busy float64, r lab.AttackResult) {
	e := c.run.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	var used [numCPUs]time.Duration
	charge := func(s *container, cpus []int, share float64) {
		t := time.Duration(share * float64(r.Elapsed))
		s.used += t * time.Duration(len(cpus))
		for _, cpu := range cpus {
			used[cpu] += t
		}
	}
	var idleLoop *container
	for _, s := range c.services {
		if s == server {
			charge(s, s.spec.CPUs.Pinned, busy)
			continue
		}
		if s.spec.Role.Traits().Idle {
			idleLoop = s
			continue
		}
		charge(s, s.spec.CPUs.Pinned[:1], besideShare)
		s.calls += r.Succeeded
	}
	generator := 1.0
	if a.SleepWhenIdle {
		generator = sleepingGenerator
		c.sleeps += r.Sent
	}
	charge(c.generator, c.cpus, generator)
	if idleLoop != nil { // it uses what the others leave
		for _, cpu := range c.cpus {
			rest := max(r.Elapsed-used[cpu], 0)
			idleLoop.used, used[cpu] = idleLoop.used+rest, used[cpu]+rest
		}
	}
	for cpu, t := range used {
		e.cpus[cpu].busy += t
		e.cpus[cpu].idle += max(r.Elapsed-t, 0)
	}
}

// latency returns the latency of n hits.
func latency(n int64, meanMS float64) *lab.Latency {
	p50, p90, p99 := meanMS, 2*meanMS, 3*meanMS
	return &lab.Latency{Count: n, MeanMS: meanMS, P50MS: &p50, P90MS: &p90, P99MS: &p99, MaxMS: 4 * meanMS}
}

// reading returns what the cell reads of the machine now.
func (a cellAgent) reading() account.Reading {
	a.engine.mu.Lock()
	defer a.engine.mu.Unlock()
	c := a.cell
	r := account.Reading{At: time.Now().UTC(), GeneratorCPU: c.generator.used, Sleeps: c.sleeps}
	for id, t := range a.engine.cpus {
		r.CPUs = append(r.CPUs, account.CPUTime{ID: id, Busy: t.busy, Idle: t.idle})
	}
	for i, s := range c.services {
		if s.runs() {
			pid := i + 2 // the agent is 1
			r.Services = append(r.Services, account.ServiceUsage{
				Name:      c.told[s.id], // account.NoService if the agent was not told of it
				Threads:   []account.Thread{{PID: pid, TID: pid, CPU: s.used}},
				Processes: []account.Process{{PID: pid, CPU: s.used}},
			})
		}
	}
	return r
}
