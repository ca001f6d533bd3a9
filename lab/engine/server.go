package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"runtimelab/lab"
)

const tailLines = 20

// Server is one server's container in a cell.
type Server struct {
	engine    *Engine
	id        string
	name      string // the variant's
	pid       int    // on the engine's host
	startedAt time.Time
}

// StartServer starts a variant in the cell, on the given CPUs. It returns as
// soon as the container runs, which is before the server answers.
func (c *Cell) StartServer(ctx context.Context, v lab.Variant, image lab.Image, cpus []int) (*Server, error) {
	return c.start(ctx, v, image, cpus, Port)
}

// StartUpstream starts what the cell's server calls while it answers.
func (c *Cell) StartUpstream(ctx context.Context, v lab.Variant, image lab.Image, cpus []int) (*Server,
	error,
) {
	return c.start(ctx, v, image, cpus, UpstreamPort)
}

func (c *Cell) start(ctx context.Context, v lab.Variant, image lab.Image, cpus []int, port int) (*Server,
	error,
) {
	env := map[string]string{
		"PORT": fmt.Sprint(port), "HOST": "127.0.0.1", "UPSTREAM_URL": fmt.Sprintf("http://127.0.0.1:%d",
			UpstreamPort),
	}
	for name, value := range v.Env {
		env[name] = value
	}
	started, err := c.run.create(ctx, testcontainers.ContainerRequest{
		Image:  image.Ref,
		Cmd:    v.Command,
		Env:    env,
		Labels: c.run.labels(roleServer, map[string]string{"io.runtime-lab.variant": v.ID()}),
		HostConfigModifier: func(h *container.HostConfig) {
			harden(h, c.run.nofile)
			h.NetworkMode = container.NetworkMode("container:" + c.generator)
			h.PidMode = container.PidMode("container:" + c.generator)
			h.Memory, h.MemorySwap = ServerMemory, ServerMemory
			h.CpusetCpus = lab.CPUList(cpus)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", v.ID(), err)
	}
	s := &Server{engine: c.run.engine, id: started.GetContainerID(), name: v.ID()}
	state, err := s.engine.containerState(ctx, s.id)
	if err != nil {
		return s, err
	}
	s.pid = state.Pid
	if s.startedAt, err = time.Parse(time.RFC3339Nano, state.StartedAt); err != nil {
		return s, fmt.Errorf("reading when %s started: %w", v.ID(), err)
	}
	return s, nil
}

// StartedAt is when the container's process started, by the engine's clock,
// which is the cell's too.
func (s *Server) StartedAt() time.Time { return s.startedAt }

func (e *Engine) containerState(ctx context.Context, id string) (*container.State, error) {
	inspected, err := e.client.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return nil, fmt.Errorf("inspecting container %.12s: %w", id, err)
	}
	return inspected.Container.State, nil
}

// Done is closed when the server's process has ended, or ctx has.
func (s *Server) Done(ctx context.Context) <-chan struct{} {
	exited := make(chan struct{})
	wait := s.engine.client.ContainerWait(ctx, s.id,
		client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	go func() {
		defer close(exited)
		select {
		case <-wait.Result:
		case err := <-wait.Error:
			_ = err // an engine that cannot be asked is not to be measured on either
		}
	}()
	return exited
}

// ExitReason says whether and how the server's process ended, with the tail of
// what it had printed; empty while it runs.
func (s *Server) ExitReason(ctx context.Context) string {
	state, err := s.engine.containerState(ctx, s.id)
	if err != nil {
		return err.Error()
	}
	how := exitReason(state, "server", ServerMemory)
	if how == "" {
		return ""
	}
	if printed := s.LogTail(ctx); printed != "" {
		how += "; it last printed: " + strings.ReplaceAll(printed, "\n", " | ")
	}
	return how
}

// LogTail is the end of what the server has printed.
func (s *Server) LogTail(ctx context.Context) string { return s.engine.logTail(ctx, s.id, tailLines) }

// Remove kills the server and removes its container.
func (s *Server) Remove(ctx context.Context) error { return s.engine.remove(ctx, s.id) }
