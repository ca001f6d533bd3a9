// Package memory is an engine in memory, for tests. Its containers are no processes: its agents speak
// the protocol of package agent, and report figures that follow from the seed of an attack. A Fault
// breaks a trial at a stated moment. It waits by package time only, so that a run of hours takes
// seconds in testing/synctest.
package memory

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/engine"
	"runtimelab/lab/fault"
	"runtimelab/lab/image"
)

// numCPUs is the number of CPUs of the engine's machine: two for generator and server, and two for
// services beside them.
const numCPUs = 4

// Engine is an engine in memory.
type Engine struct {
	image.Engine // of tests that need images; nil otherwise

	// Answer returns what a service answers to a request.
	Answer func(s lab.Service, r lab.Request) lab.Answer
	// PeakRPS returns the peak of a server on one CPU. Nil: all have the same.
	PeakRPS func(s lab.Service) float64
	// Detailed makes attacks return histograms and seconds too, which take most of a test's time.
	Detailed bool
	// InterruptRun ends the context of the run, for a fault of the kind UserInterrupts.
	InterruptRun func()

	mu         sync.Mutex
	faults     []Fault
	silent     chan struct{} // closed while the engine does not answer
	containers []*container  // that are not removed
	started    int           // number of containers so far
	current    *Cell         // the cell that opened last
	locked     *lock
	cpus       [numCPUs]cpuTimes // so far
}

// lock is the measuring lock.
type lock struct {
	run    *Run
	holder string
}

// cpuTimes are the times of one CPU during attacks. Between these, nobody reads them.
type cpuTimes struct{ busy, idle time.Duration }

// New returns an engine without containers, whose services answer every request with status 200 and
// its path.
func New() *Engine {
	return &Engine{
		Answer: func(_ lab.Service, r lab.Request) lab.Answer {
			return lab.Answer{Status: 200, Body: []byte(r.Path)}
		},
		silent: make(chan struct{}),
	}
}

// errSilent is the error of every call to an engine that does not answer.
var errSilent = errors.New("the engine does not answer any more")

// check returns errSilent while the engine does not answer. The caller holds mu.
func (e *Engine) check() error {
	select {
	case <-e.silent:
		return fault.By(fault.Engine, errSilent)
	default:
		return nil
	}
}

// silence ends all answers, and breaks all streams. The caller holds mu.
func (e *Engine) silence() {
	if e.check() != nil {
		return
	}
	close(e.silent)
	for _, c := range e.containers {
		c.closeStreams()
	}
}

// Restart ends all processes, and lets the engine answer again. Containers of earlier runs stay until
// Sweep removes them.
func (e *Engine) Restart() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.containers {
		c.end(c.title() + " exited with code 255")
	}
	e.silent, e.locked = make(chan struct{}), nil
}

// Containers returns a line for each container that is not removed: "the server of run a".
func (e *Engine) Containers() (all []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.containers {
		all = append(all, fmt.Sprintf("%s of run %s", c.title(), c.run.id))
	}
	return all
}

// Location returns where the engine is.
func (e *Engine) Location() string { return "memory" }

// Local returns false: the engine's CPUs are not those of this machine.
func (e *Engine) Local() bool { return false }

// Facts returns a description of the engine.
func (e *Engine) Facts(context.Context) (engine.Facts, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return engine.Facts{
		Kind: "memory", OS: "linux", Arch: runtime.GOARCH, CPUs: numCPUs, MemoryBytes: memoryBytes,
	}, e.check()
}

// CheckInRegistry returns an error: there is no registry.
func (e *Engine) CheckInRegistry(_ context.Context, ref string) error {
	return fault.By(fault.Engine, fmt.Errorf("looking for %s: an engine in memory has no registry", ref))
}

// BeginRun takes a lease.
func (e *Engine) BeginRun(_ context.Context, id string, _ lab.Image) (engine.Run, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.check(); err != nil {
		return nil, err
	}
	e.current = nil
	r := &Run{id: id, engine: e, nofile: engine.Nofile}
	r.lease = e.add(r, lab.Service{Name: "lease"})
	r.ReadWriter = r.lease.serve(leaseAgent{machine{e}})
	return r, nil
}

// Sweep removes the containers of runs whose lease has ended.
func (e *Engine) Sweep(context.Context) (removed int, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.check(); err != nil {
		return 0, err
	}
	return e.remove(func(c *container) bool { return !c.run.lease.runs() }), nil
}

// AliveRuns returns the ids of the runs whose lease runs.
func (e *Engine) AliveRuns(context.Context) (ids []string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.containers {
		if c == c.run.lease && c.runs() {
			ids = append(ids, c.run.id)
		}
	}
	return ids, e.check()
}

// MeasuringLockHolder describes the run that holds the measuring lock.
func (e *Engine) MeasuringLockHolder(context.Context) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.locked == nil {
		return ""
	}
	return e.locked.holder
}

// Close does nothing: the engine and its containers stay.
func (e *Engine) Close() error { return nil }

// add starts the container of a service. The caller holds mu.
func (e *Engine) add(r *Run, spec lab.Service) *container {
	e.started++
	c := &container{
		id: fmt.Sprintf("%064x", e.started), run: r, spec: spec, startedAt: time.Now(),
		ended: make(chan struct{}),
	}
	e.containers = append(e.containers, c)
	return c
}

// remove ends and removes containers, and returns how many it removed. The caller holds mu.
func (e *Engine) remove(which func(*container) bool) (removed int) {
	e.containers = slices.DeleteFunc(e.containers, func(c *container) bool {
		if !which(c) {
			return false
		}
		c.end(fmt.Sprintf("%s is gone: no such container: %.12s", c.title(), strings.TrimLeft(c.id, "0")))
		removed++
		return true
	})
	return removed
}
