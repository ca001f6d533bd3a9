package docker

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"runtimelab/lab"
	"runtimelab/lab/fault"
)

const tailLines = 20

// minCPUShares is the smallest weight of a container: 2 of 1024 on cgroup v1, 1 of 100 on cgroup v2. A
// loop at idle priority needs it. Its priority counts within its container only, and with the default
// weight it would take half a CPU from the container of a busy service.
const minCPUShares = 2

// Service is the container of a service in a cell.
type Service struct {
	engine    *Engine
	spec      lab.Service
	grant     lab.Grant
	pid       int // on the engine's host
	startedAt time.Time
}

// start starts a service in the cell and adds it to the cell's services. It returns when the container
// runs, which may be before the service is ready.
func (c *Cell) start(ctx context.Context, spec lab.Service) error {
	started, err := c.run.create(ctx, testcontainers.ContainerRequest{
		Image:  spec.Image.Ref,
		Cmd:    spec.Command,
		Env:    spec.Env,
		Labels: c.run.labels(string(spec.Role), map[string]string{labelName: spec.Name}),
		ConfigModifier: func(config *container.Config) {
			config.User = spec.User // empty: the image's
		},
		HostConfigModifier: func(h *container.HostConfig) {
			h.Tmpfs = writableFolders(spec)
			harden(h, c.run.nofile)
			h.NetworkMode = container.NetworkMode("container:" + c.generator)
			h.PidMode = container.PidMode("container:" + c.generator)
			h.Memory, h.MemorySwap = spec.MemoryBytes, spec.MemoryBytes
			h.CpusetCpus = lab.CPUList(spec.CPUs.Pinned)
			if spec.Role.Traits().Idle {
				h.CPUShares = minCPUShares
			}
		},
	})
	if err != nil {
		return fmt.Errorf("starting %s: %w", spec.Name, err)
	}
	s := &Service{
		engine: c.run.engine, spec: spec,
		grant: lab.Grant{CPUs: spec.CPUs.Pinned, ContainerID: started.GetContainerID()},
	}
	c.services = append(c.services, s)
	state, err := s.engine.containerState(ctx, s.grant.ContainerID)
	if err != nil {
		return err
	}
	s.pid = state.Pid
	if s.startedAt, err = time.Parse(time.RFC3339Nano, state.StartedAt); err != nil {
		return fault.By(fault.Engine, fmt.Errorf("reading the start time of %s: %w", spec.Name, err))
	}
	return nil
}

// Spec returns what was asked for.
func (s *Service) Spec() lab.Service { return s.spec }

// Grant returns what the service got.
func (s *Service) Grant() lab.Grant { return s.grant }

// StartedAt returns when the container's process started, by the clock of the engine's host, which
// is also the cell's.
func (s *Service) StartedAt() time.Time { return s.startedAt }

func (e *Engine) containerState(ctx context.Context, id string) (*container.State, error) {
	inspected, err := e.client.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return nil, fault.During(ctx, fault.Engine, fmt.Errorf("inspecting container %.12s: %w", id, err))
	}
	return inspected.Container.State, nil
}

// Done returns a channel that receives nil when the service's process has ended, or why the engine
// cannot wait for that.
func (s *Service) Done(ctx context.Context) <-chan error {
	done := make(chan error, 1)
	wait := s.engine.client.ContainerWait(ctx, s.grant.ContainerID,
		client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	go func() {
		select {
		case <-wait.Result:
			done <- nil
		case err := <-wait.Error:
			done <- fault.During(ctx, fault.Engine, fmt.Errorf("waiting for the end of %s: %w", s.spec.Name, err))
		}
	}()
	return done
}

// Ending returns how the service ended, with the end of its log. It is zero while the service runs,
// or if the engine cannot tell.
func (s *Service) Ending(ctx context.Context) lab.Ending {
	state, err := s.engine.containerState(ctx, s.grant.ContainerID)
	switch {
	case errdefs.IsNotFound(err):
		return lab.Ending{Reason: err.Error()}
	case err != nil:
		return lab.Ending{} // no evidence that the service ended
	}
	reason := exitReason(state, s.spec.Title(), s.spec.MemoryBytes)
	if reason == "" {
		return lab.Ending{}
	}
	if printed := s.LogTail(ctx); printed != "" {
		reason += "; it last printed: " + strings.ReplaceAll(printed, "\n", " | ")
	}
	at, err := time.Parse(time.RFC3339Nano, state.FinishedAt)
	if err != nil {
		at = time.Time{}
	}
	return lab.Ending{At: at, Reason: reason}
}

// LogTail returns the last lines of the service's output.
func (s *Service) LogTail(ctx context.Context) string {
	return s.engine.logTail(ctx, s.grant.ContainerID, tailLines)
}
