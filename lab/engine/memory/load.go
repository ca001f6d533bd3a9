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

	sleepingGenerator = 0.3 // share of its CPU that a generator uses which waits in the kernel
	pollingGenerator  = 0.7 // share of its time in which a generator that polls finds no work
	besideShare       = 0.1 // share of a CPU that each service beside the server uses
)

// runLoad returns the result of an attack on a server, and charges all parties for it.
func (c *Cell) runLoad(a lab.Attack, server *container, began time.Time,
	lasts time.Duration,
) lab.AttackResult {
	cpus := server.spec.CPUs.Pinned
	random := rand.New(rand.NewPCG(a.Seed, uint64(len(a.Kind)))) //nolint:gosec // seeded figures of a test
	peak := peakRPS * float64(len(cpus)) * (1 + noise*random.NormFloat64())
	rate, busy := peak, 1.0
	if len(a.Rate) > 0 {
		rate = (a.Rate[0].FromRPS + a.Rate[0].ToRPS) / 2
		busy = min(rate/peak, 1)
		rate = min(rate, peak)
	}
	n := int64(rate * lasts.Seconds())
	r := lab.AttackResult{
		StartedAt: began, Elapsed: lasts,
		HitCounts: lab.HitCounts{
			Intended: n, Sent: n, Succeeded: n, WithinDeadline: n, BytesIn: 100 * n,
			ConnectionsOpened: int64(a.Connections),
		},
	}
	mean := 1000 / peak
	if len(a.Rate) == 0 {
		mean = 1000 * float64(a.Connections) / rate // all of them wait
	} else {
		r.Corrected, r.SendLag = latency(n, mean), latency(n, mean/100)
	}
	r.Raw, r.FirstByte = latency(n, mean), latency(n, mean)

	e := c.run.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	var used [numCPUs]time.Duration
	charge := func(s *container, on []int, share float64) {
		t := time.Duration(share * float64(lasts))
		s.used += t * time.Duration(len(on))
		for _, cpu := range on {
			used[cpu] += t
		}
	}
	for _, s := range c.services {
		if s == server {
			charge(s, cpus, busy)
		} else {
			charge(s, s.spec.CPUs.Pinned[:1], besideShare)
			s.calls += n
		}
	}
	if a.SleepWhenIdle {
		charge(c.generator, c.cpus, sleepingGenerator)
		c.sleeps += n
	} else {
		charge(c.generator, c.cpus, 1)
		r.IdlePolling = time.Duration(pollingGenerator * float64(lasts))
	}
	for cpu, t := range used {
		e.cpus[cpu].busy += t
		e.cpus[cpu].idle += max(lasts-t, 0)
	}
	return r
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
