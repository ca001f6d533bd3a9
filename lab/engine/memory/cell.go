package memory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
	"runtimelab/lab/engine"
	"runtimelab/lab/fault"
)

// Cell is a generator with its services.
type Cell struct {
	io.ReadWriter
	run       *Run
	cpus      []int // of the generator
	generator *container
	services  []*container
	told      map[string]string // names of services by container id, as the agent was told
	stderr    string            // of the agent
	sleeps    int64             // of the generator so far
}

// start starts a container of the cell. The error of a start names the engine.
func (c *Cell) start(ctx context.Context, spec lab.Service) error {
	e := c.run.engine
	e.mu.Lock()
	started := e.add(c.run, spec)
	if spec.Role == lab.RoleGenerator {
		c.generator = started
		c.ReadWriter = started.serve(cellAgent{machine{e}, c})
	} else {
		c.services = append(c.services, started)
	}
	e.mu.Unlock()
	err := c.reach(Opening, spec.Role)
	if err == nil && ctx.Err() != nil { // like a client of an engine, do not return the cause
		err = ctx.Err()
	}
	if err == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	c.services = slices.DeleteFunc(c.services, func(s *container) bool { return s == started })
	if e.check() == nil {
		e.remove(func(other *container) bool { return other == started })
	}
	return fault.During(ctx, fault.Engine, fmt.Errorf("starting %s: %w", spec.Title(), err))
}

// Services returns the services of the cell in the order in which they started.
func (c *Cell) Services() (all []engine.Service) {
	c.run.engine.mu.Lock()
	defer c.run.engine.mu.Unlock()
	for _, s := range c.services {
		all = append(all, &Service{cell: c, container: s})
	}
	return all
}

// AgentStderr returns what the agent has printed.
func (c *Cell) AgentStderr() string {
	c.run.engine.mu.Lock()
	defer c.run.engine.mu.Unlock()
	return c.stderr
}

// ExitReason returns how the generator ended, or "".
func (c *Cell) ExitReason(ctx context.Context) string { return c.endingOf(ctx, c.generator).Reason }

// endingOf returns how a container ended. It is zero if the engine does not tell.
func (c *Cell) endingOf(ctx context.Context, of *container) lab.Ending {
	e := c.run.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if ctx.Err() != nil || e.check() != nil {
		return lab.Ending{}
	}
	return of.ending
}

// Close removes the generator and the services of the cell.
func (c *Cell) Close(ctx context.Context) error {
	err := c.reach(Closing, "")
	e := c.run.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	c.generator.closeStreams()
	if err = errors.Join(err, e.check(), ctx.Err()); err != nil {
		return fmt.Errorf("closing a cell: %w", err)
	}
	e.remove(func(other *container) bool {
		return other == c.generator || slices.Contains(c.services, other)
	})
	return nil
}

// Service is the container of a service in a cell.
type Service struct {
	cell *Cell
	*container
}

// Spec returns what was asked for.
func (s *Service) Spec() lab.Service { return s.spec }

// Grant returns the CPUs that were asked for.
func (s *Service) Grant() lab.Grant {
	return lab.Grant{CPUs: s.spec.CPUs.Pinned, ContainerID: s.id}
}

// StartedAt returns when the service's process started.
func (s *Service) StartedAt() time.Time { return s.startedAt }

// Done returns a channel that receives nil when the service has ended, or that the engine does not
// answer any more.
func (s *Service) Done(ctx context.Context) <-chan error {
	e := s.run.engine
	e.mu.Lock()
	silent := e.silent
	e.mu.Unlock()
	done := make(chan error, 1)
	go func() {
		select {
		case <-s.ended:
			done <- nil
		case <-silent:
			done <- fault.By(fault.Engine, fmt.Errorf("waiting for the end of %s: %w", s.spec.Name, errSilent))
		case <-ctx.Done():
		}
	}()
	return done
}

// Ending returns how the service ended.
func (s *Service) Ending(ctx context.Context) lab.Ending { return s.cell.endingOf(ctx, s.container) }

// LogTail returns what the service has printed.
func (s *Service) LogTail(context.Context) string { return s.spec.Name + " started" }

// Usage returns the resources that the service has used so far.
func (s *Service) Usage(ctx context.Context) (account.Usage, error) {
	err := s.cell.reach(Reading, s.spec.Role)
	e := s.run.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil && !s.runs() {
		err = errors.New("it has ended")
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		err = fault.During(ctx, fault.Engine, fmt.Errorf("reading the usage of %s: %w", s.spec.Name, err))
		return account.Usage{}, err
	}
	peak := int64(serviceBytes)
	return account.Usage{At: time.Now(), CPU: s.used, MemoryPeakBytes: &peak}, nil
}

var (
	_ engine.Cell    = (*Cell)(nil)
	_ engine.Service = (*Service)(nil)
)
