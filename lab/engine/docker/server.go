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
	"runtimelab/lab/engine"
	"runtimelab/lab/fault"
)

const tailLines = 20

// Server is a server's container in a cell.
type Server struct {
	engine    *Engine
	id        string
	name      string // the variant's id
	pid       int    // on the engine's host
	startedAt time.Time
}

// StartServer starts a variant in the cell on the given CPUs. It returns when the container runs,
// which may be before the server answers.
func (c *Cell) StartServer(ctx context.Context, v lab.Variant, image lab.Image, cpus []int) (*Server, error) {
	return c.start(ctx, v, image, cpus, v.Port())
}

// StartUpstream starts the service that the cell's server calls while it answers. It returns as
// StartServer does.
func (c *Cell) StartUpstream(
	ctx context.Context, v lab.Variant, image lab.Image, cpus []int,
) (*Server, error) {
	return c.start(ctx, v, image, cpus, lab.UpstreamPort)
}

func (c *Cell) start(
	ctx context.Context, v lab.Variant, image lab.Image, cpus []int, port int,
) (*Server, error) {
	env := map[string]string{
		"PORT":         fmt.Sprint(port),
		"UPSTREAM_URL": fmt.Sprintf("http://127.0.0.1:%d", lab.UpstreamPort),
	}
	if v.Own == nil { // HOST may mean something else to a server of the user's own
		env["HOST"] = "127.0.0.1"
	}
	for name, value := range v.Env {
		env[name] = value
	}
	started, err := c.run.create(ctx, testcontainers.ContainerRequest{
		Image:  image.Ref,
		Cmd:    v.Command,
		Env:    env,
		Labels: c.run.labels(roleServer, map[string]string{"io.runtime-lab.variant": v.ID()}),
		ConfigModifier: func(config *container.Config) {
			if v.Own != nil {
				config.User = v.Own.User // empty: the image's
			}
		},
		HostConfigModifier: func(h *container.HostConfig) {
			h.Tmpfs = writableFolders(v.Own)
			harden(h, c.run.nofile)
			h.NetworkMode = container.NetworkMode("container:" + c.generator)
			h.PidMode = container.PidMode("container:" + c.generator)
			h.Memory, h.MemorySwap = engine.ServerMemory, engine.ServerMemory
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
		return s, fault.By(fault.Engine, fmt.Errorf("reading the start time of %s: %w", v.ID(), err))
	}
	return s, nil
}

// ContainerID returns the id of the server's container.
func (s *Server) ContainerID() string { return s.id }

// StartedAt returns when the container's process started, by the clock of the engine's host, which
// is also the cell's.
func (s *Server) StartedAt() time.Time { return s.startedAt }

func (e *Engine) containerState(ctx context.Context, id string) (*container.State, error) {
	inspected, err := e.client.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return nil, fault.During(ctx, fault.Engine, fmt.Errorf("inspecting container %.12s: %w", id, err))
	}
	return inspected.Container.State, nil
}

// Done returns a channel that receives nil when the server's process has ended, or why the engine
// cannot wait for that.
func (s *Server) Done(ctx context.Context) <-chan error {
	done := make(chan error, 1)
	wait := s.engine.client.ContainerWait(ctx, s.id,
		client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	go func() {
		select {
		case <-wait.Result:
			done <- nil
		case err := <-wait.Error:
			done <- fault.During(ctx, fault.Engine, fmt.Errorf("waiting for the end of %s: %w", s.name, err))
		}
	}()
	return done
}

// ExitReason returns how the server ended, with the end of its log. It is empty while the server
// runs, or if the engine cannot tell.
func (s *Server) ExitReason(ctx context.Context) string {
	state, err := s.engine.containerState(ctx, s.id)
	switch {
	case errdefs.IsNotFound(err):
		return err.Error()
	case err != nil:
		return "" // no evidence that the server ended
	}
	reason := exitReason(state, "server", engine.ServerMemory)
	if reason == "" {
		return ""
	}
	if printed := s.LogTail(ctx); printed != "" {
		reason += "; it last printed: " + strings.ReplaceAll(printed, "\n", " | ")
	}
	return reason
}

// LogTail returns the last lines of the server's output.
func (s *Server) LogTail(ctx context.Context) string { return s.engine.logTail(ctx, s.id, tailLines) }

// Remove kills the server and removes its container.
func (s *Server) Remove(ctx context.Context) error { return s.engine.remove(ctx, s.id) }
