package memory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
	"runtimelab/lab/agent"
	"runtimelab/lab/engine"
)

const (
	memoryBytes  = 8 << 30  // of the machine
	serviceBytes = 64 << 20 // peak of every service

	startUp    = 250 * time.Millisecond // from the start of a service to its first answer
	canaryTime = 50 * time.Millisecond
)

// errNeverReady is the error of a service that answers nothing.
var errNeverReady = errors.New("connection refused")

// machine answers what an agent reads of its machine.
type machine struct{ engine *Engine }

// Topology returns CPUs that share nothing.
func (machine) Topology() (lab.Topology, error) {
	t := lab.Topology{
		CPUModel: "memory", Kernel: "memory", MemoryBytes: memoryBytes, Interfaces: []string{"lo"},
		Nofile: engine.Nofile,
	}
	for id := range numCPUs {
		t.CPUs = append(t.CPUs, lab.CPU{ID: id, Siblings: []int{id}, Capacity: 1024})
	}
	return t, nil
}

// RunCanaries returns canaries that all take the same time.
func (m machine) RunCanaries(ctx context.Context, cpus []int) (all []lab.Canary, err error) {
	m.engine.mu.Lock()
	c := m.engine.current
	m.engine.mu.Unlock()
	if c != nil {
		if err := c.reach(Canary, ""); err != nil {
			return nil, err
		}
	}
	if err := sleep(ctx, canaryTime); err != nil {
		return nil, err
	}
	for _, cpu := range cpus {
		all = append(all, lab.Canary{CPU: cpu, WallTime: canaryTime, ThreadCPUTime: canaryTime})
	}
	return all, nil
}

// ReadSpool returns nothing: no attack keeps its hits.
func (machine) ReadSpool(int64) ([]byte, error) { return nil, nil }

// Count returns nothing: no service in memory is a database.
func (machine) Count(context.Context, int, lab.CountQuery) (counts lab.DatabaseCounts, err error) {
	return counts, nil
}

// leaseAgent is the agent of a lease, which has no services.
type leaseAgent struct{ machine }

var errNoServices = errors.New("a lease has no services")

// AwaitFirstAnswer returns an error.
func (leaseAgent) AwaitFirstAnswer(context.Context, agent.AwaitRequest) (time.Time, error) {
	return time.Time{}, errNoServices
}

// Send answers every request with an error.
func (leaseAgent) Send(_ context.Context, _ string, requests []lab.Request) []lab.Answer {
	answers := make([]lab.Answer, len(requests))
	for i := range answers {
		answers[i].Error = errNoServices.Error()
	}
	return answers
}

// CheckSubscribers returns an error.
func (leaseAgent) CheckSubscribers(context.Context, agent.CheckRequest) ([]lab.DeliveryFault, error) {
	return nil, errNoServices
}

// Attack returns an error.
func (leaseAgent) Attack(context.Context, lab.Attack) (account.Observation, error) {
	return account.Observation{}, errNoServices
}

// CrossCheck returns an error.
func (leaseAgent) CrossCheck(context.Context, lab.Attack) (lab.CrossReading, error) {
	return lab.CrossReading{}, errNoServices
}

// TellServices does nothing.
func (leaseAgent) TellServices([]agent.Service) {}

// Listeners returns none.
func (leaseAgent) Listeners() ([]lab.Listener, error) { return nil, nil }

// cellAgent is the agent of a cell.
type cellAgent struct {
	machine
	cell *Cell
}

// serviceAt returns the service that listens at a URL and runs, or nil.
func (a cellAgent) serviceAt(baseURL string) *container {
	a.engine.mu.Lock()
	defer a.engine.mu.Unlock()
	for _, s := range a.cell.services {
		if s.runs() && baseURL == fmt.Sprintf("http://127.0.0.1:%d", s.spec.Port) {
			return s
		}
	}
	return nil
}

// AwaitFirstAnswer waits until a service has started up.
func (a cellAgent) AwaitFirstAnswer(ctx context.Context, r agent.AwaitRequest) (time.Time, error) {
	began, s := time.Now(), a.serviceAt(r.BaseURL)
	if s != nil {
		if err := sleep(ctx, time.Until(s.startedAt.Add(startUp))); err != nil {
			return time.Time{}, err
		}
		err := a.cell.reach(Readiness, s.spec.Role)
		if err == nil && a.serviceAt(r.BaseURL) != nil {
			return time.Now(), nil
		}
	}
	if err := sleep(ctx, r.Timeout-time.Since(began)); err != nil {
		return time.Time{}, err
	}
	return time.Time{}, fmt.Errorf("no correct answer within %v; last: %w", r.Timeout, errNeverReady)
}

// Send returns what the service at a URL answers.
func (a cellAgent) Send(_ context.Context, baseURL string, requests []lab.Request) []lab.Answer {
	s := a.serviceAt(baseURL)
	answers := make([]lab.Answer, len(requests))
	for i, r := range requests {
		if s == nil {
			answers[i].Error = errNeverReady.Error()
		} else {
			answers[i] = a.answer(s, r)
		}
	}
	return answers
}

// answer returns what a service answers to a request.
func (a cellAgent) answer(s *container, r lab.Request) lab.Answer {
	if s.spec.CallCount == nil || r.Path != s.spec.CallCount.Path {
		return a.engine.Answer(s.spec, r)
	}
	a.engine.mu.Lock()
	defer a.engine.mu.Unlock()
	body, err := json.Marshal(lab.CallCount{Count: s.calls})
	if err != nil {
		return lab.Answer{Error: err.Error()}
	}
	return lab.Answer{Status: 200, Body: body}
}

// TellServices names the services to which readings attribute CPU time.
func (a cellAgent) TellServices(all []agent.Service) {
	a.engine.mu.Lock()
	defer a.engine.mu.Unlock()
	a.cell.told = make(map[string]string)
	for _, s := range all {
		a.cell.told[s.ContainerID] = s.Name
	}
}

// CheckSubscribers finds no fault.
func (cellAgent) CheckSubscribers(context.Context, agent.CheckRequest) ([]lab.DeliveryFault, error) {
	return nil, nil
}

// Listeners returns the sockets of the services that run.
func (a cellAgent) Listeners() (all []lab.Listener, err error) {
	a.engine.mu.Lock()
	defer a.engine.mu.Unlock()
	for _, s := range a.cell.services {
		if s.runs() {
			all = append(all, lab.Listener{Address: "127.0.0.1", Port: s.spec.Port, UID: 65532, Backlog: 4096})
		}
	}
	return all, nil
}

// Attack takes the time of an attack and returns what it would have measured.
func (a cellAgent) Attack(ctx context.Context, attack lab.Attack) (o account.Observation, err error) {
	moment, lasts := Attack, attack.Duration
	if attack.Kind.Traits().Discarded {
		moment, lasts = WarmUp, lasts/2 // it was steady early
	}
	server := a.serviceAt(attack.BaseURL)
	if server == nil {
		return o, errNeverReady
	}
	o.GeneratorCPUs, o.Before = a.cell.cpus, a.reading()
	if err := sleep(ctx, lasts/2); err != nil {
		return o, err
	}
	if err := a.cell.reach(moment, ""); err != nil {
		return o, err
	}
	if err := sleep(ctx, lasts-lasts/2); err != nil {
		return o, err
	}
	l := a.engine.loadOf(attack, server.spec, len(server.spec.CPUs.Pinned))
	o.AttackResult = l.result(attack, o.Before.At, time.Since(o.Before.At))
	if a.engine.Detailed {
		if err := addDetail(&o.AttackResult, attack); err != nil {
			return o, err
		}
	}
	a.cell.charge(attack, server, l.busy, o.AttackResult)
	o.After = a.reading()
	if attack.SleepWhenIdle {
		o.Waiting = &account.WaitingReading{Slice: lab.WaitingSlice}
	}
	if attack.SideRequest != nil {
		o.SideAnswer = &a.Send(ctx, attack.BaseURL, []lab.Request{*attack.SideRequest})[0]
	}
	return o, nil
}

// CrossCheck takes the time of an attack and returns what Attack would have measured.
func (a cellAgent) CrossCheck(ctx context.Context, attack lab.Attack) (r lab.CrossReading, err error) {
	o, err := a.Attack(ctx, attack)
	if err != nil {
		return r, err
	}
	r.Succeeded, r.Failed = o.Succeeded, o.Failed
	r.ThroughputRPS = float64(o.Succeeded) / o.Elapsed.Seconds()
	if o.Raw != nil && o.Raw.P50MS != nil {
		r.MedianLatency = time.Duration(*o.Raw.P50MS * float64(time.Millisecond))
	}
	return r, nil
}

var (
	_ agent.Agent = leaseAgent{}
	_ agent.Agent = cellAgent{}
)
