package memory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/engine"
	"runtimelab/lab/fault"
)

// lockPollInterval is the time between two attempts to take the measuring lock.
const lockPollInterval = time.Second

// Run is one run's lease and containers on an engine in memory.
type Run struct {
	io.ReadWriter
	id     string
	engine *Engine
	lease  *container
	nofile int
}

// CheckLease returns why the run cannot continue, or nil.
func (r *Run) CheckLease(ctx context.Context) error {
	r.engine.mu.Lock()
	defer r.engine.mu.Unlock()
	switch err := r.engine.check(); {
	case ctx.Err() != nil: // like a client of an engine, do not return the cause
		return fmt.Errorf("inspecting the lease: %w", ctx.Err())
	case err != nil:
		return err
	case !r.lease.runs():
		return fault.By(fault.Engine, errors.New("the engine has ended this run's lease"))
	}
	return nil
}

// Lock waits until no other run that is alive has the measuring lock, and takes it.
func (r *Run) Lock(ctx context.Context, holder string, waiting func(holder string)) error {
	for reported := false; ; {
		other, err := r.takeLock(holder)
		if err != nil || other == "" {
			return err
		}
		if !reported {
			waiting(other)
			reported = true
		}
		if err := sleep(ctx, lockPollInterval); err != nil {
			return err
		}
	}
}

// takeLock takes the measuring lock, or returns who holds it.
func (r *Run) takeLock(holder string) (other string, err error) {
	e := r.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.check(); err != nil {
		return "", err
	}
	if e.locked != nil && e.locked.run != r && e.locked.run.lease.runs() {
		return e.locked.holder, nil
	}
	e.locked = &lock{r, holder}
	return "", nil
}

// LimitNofile limits the open files of every container of the run.
func (r *Run) LimitNofile(granted int) int {
	r.nofile = min(engine.Nofile, granted)
	return r.nofile
}

// Quotas returns none.
func (r *Run) Quotas(context.Context) (quotas []engine.Quota, known bool, err error) {
	return nil, true, nil
}

// Admit admits every image.
func (r *Run) Admit(context.Context, string) error { return nil }

// AdmitServer admits every image.
func (r *Run) AdmitServer(context.Context, lab.Variant, lab.Image, string) error { return nil }

// Open starts a generator in a new cell, and the services of a request in their order.
func (r *Run) Open(
	ctx context.Context, request lab.CellRequest,
	awaitReady func(context.Context, engine.Cell, lab.Service) error,
) (engine.Cell, error) {
	c := &Cell{run: r, cpus: slices.Clone(request.Generator.Pinned)}
	r.engine.mu.Lock()
	r.engine.current = c
	r.engine.mu.Unlock()
	generator := lab.Service{Role: lab.RoleGenerator, Name: string(lab.RoleGenerator)}
	if err := c.start(ctx, generator); err != nil {
		return nil, err
	}
	for _, spec := range request.Services {
		if err := c.start(ctx, spec); err != nil {
			return c, err
		}
		if err := awaitReady(ctx, c, spec); err != nil {
			return c, err
		}
	}
	return c, nil
}

// End removes all containers of the run.
func (r *Run) End(context.Context) error {
	e := r.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.check(); err != nil {
		return err
	}
	e.remove(func(c *container) bool { return c.run == r })
	if e.locked != nil && e.locked.run == r {
		e.locked = nil
	}
	return nil
}

// sleep waits for a duration, or until ctx ends.
func sleep(ctx context.Context, lasts time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(lasts):
		return nil
	}
}

var (
	_ engine.Engine = (*Engine)(nil)
	_ engine.Run    = (*Run)(nil)
)
