package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"runtimelab/lab"
	"runtimelab/lab/engine"
	"runtimelab/lab/fault"
)

// agentCommand runs the only file of the agent's image.
var agentCommand = []string{"/agent"}

const (
	lockName         = "runtime-lab-measuring"
	lockPollInterval = time.Second
)

// Run is one run's lease and containers on the engine. Reads and writes go to the agent in the
// lease, which may use all of the engine's CPUs and never attacks.
type Run struct {
	io.ReadWriter
	ID      string
	engine  *Engine
	agent   lab.Image
	lease   *attachedStreams
	leaseID string // container id
	nofile  int

	admitting sync.Mutex
	admitted  map[string][]string // volumesFrom by image: see admit
}

// BeginRun takes a lease for the run with this id. The lease and the cells run the agent's image.
// If the engine's host does not grant Nofile open files, the lease gets the engine's default: see
// LimitNofile.
func (e *Engine) BeginRun(ctx context.Context, id string, agent lab.Image) (engine.Run, error) {
	r := &Run{ID: id, engine: e, agent: agent, nofile: engine.Nofile}
	err := r.takeLease(ctx)
	// The API has no error code for this; "rlimit" is from runc's message.
	if err != nil && strings.Contains(err.Error(), "rlimit") {
		r.nofile = 0
		err = r.takeLease(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("taking a lease for run %s: %w", id, err)
	}
	r.ReadWriter = r.lease
	return r, nil
}

func (r *Run) takeLease(ctx context.Context) (err error) {
	r.leaseID, r.lease, err = r.startAttached(ctx, roleLease, func(h *container.HostConfig) {
		h.Memory, h.MemorySwap = leaseMemory, leaseMemory
	})
	return err
}

// inspectTimeout is how long CheckLease waits for the engine.
const inspectTimeout = 5 * time.Second

// CheckLease returns nil while the run can continue. Otherwise it returns why it cannot: the engine
// does not answer, or the lease has ended, so that other runs may remove the run's containers.
func (r *Run) CheckLease(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, inspectTimeout)
	defer cancel()
	lease, err := r.engine.client.ContainerInspect(ctx, r.leaseID, client.ContainerInspectOptions{})
	reason := errors.New(
		"has ended this run's lease: the engine was restarted, or the lease's container was removed")
	switch {
	case err == nil && lease.Container.State.Running:
		return nil
	case err != nil && !errdefs.IsNotFound(err):
		reason = fmt.Errorf("does not answer any more: %w", err)
	}
	return fault.By(fault.Engine, &fault.Error{
		Code: fault.ExitFailed, Err: fmt.Errorf("the engine at %s %w", r.engine.Address.Host, reason),
		Hint: "run lab doctor to see whether the engine works again",
	})
}

// LimitNofile limits the open files of every container of the run to granted, the hard limit that
// the lease has, and to Nofile. It returns the limit.
func (r *Run) LimitNofile(granted int) int {
	r.nofile = min(engine.Nofile, granted)
	return r.nofile
}

// Lock waits for the engine-wide measuring lock: a container that is never started and whose name
// is unique. While it waits, it calls waiting once with the lock's holder. It removes the locks of
// dead runs.
func (r *Run) Lock(ctx context.Context, holder string, waiting func(holder string)) error {
	reported := false
	for {
		_, err := r.engine.client.ContainerCreate(ctx, client.ContainerCreateOptions{
			Name: lockName,
			Config: &container.Config{
				Image:      r.agent.Ref,
				Entrypoint: agentCommand,
				Labels:     r.labels(roleLock, map[string]string{labelHolder: holder}),
			},
			HostConfig: &container.HostConfig{NetworkMode: "none"},
		})
		if err == nil {
			return nil
		}
		if !errdefs.IsConflict(err) {
			return fault.During(ctx, fault.Engine, fmt.Errorf("taking the measuring lock: %w", err))
		}
		swept, err := r.engine.Sweep(ctx)
		if err != nil {
			return err
		}
		if swept > 0 {
			continue
		}
		if !reported {
			waiting(r.engine.lockHolder(ctx))
			reported = true
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(lockPollInterval):
		}
	}
}

// lockHolder describes the run that holds the measuring lock.
func (e *Engine) lockHolder(ctx context.Context) string {
	lock, err := e.client.ContainerInspect(ctx, lockName, client.ContainerInspectOptions{})
	if err != nil || lock.Container.Config == nil {
		return "another run"
	}
	labels := lock.Container.Config.Labels
	return fmt.Sprintf("run %s (%s)", labels[labelRun], labels[labelHolder])
}

// End removes all containers of the run, the lease last.
func (r *Run) End(ctx context.Context) error {
	err := r.engine.removeContainers(ctx, func(c container.Summary) bool {
		return c.Labels[labelRun] == r.ID && c.Labels[labelRole] != roleLease
	})
	_ = r.lease.Close() // ends the lease's process if it still runs
	return errors.Join(err, r.engine.removeContainers(ctx, func(c container.Summary) bool {
		return c.Labels[labelRun] == r.ID
	}))
}

func (r *Run) labels(role string, more map[string]string) map[string]string {
	labels := map[string]string{labelOwner: owner, labelRun: r.ID, labelRole: role}
	for k, v := range more {
		labels[k] = v
	}
	return labels
}

// startAttached starts a container of the agent's image that ends when its input is closed, and
// returns its id and streams.
func (r *Run) startAttached(
	ctx context.Context, role string, limit func(*container.HostConfig),
) (id string, streams *attachedStreams, err error) {
	var attached *attachedStreams
	attach := func(ctx context.Context, c testcontainers.Container) (err error) {
		attached, err = r.engine.attach(ctx, c.GetContainerID())
		return err
	}
	c, err := r.create(ctx, testcontainers.ContainerRequest{
		Image:      r.agent.Ref,
		Entrypoint: agentCommand,
		Labels:     r.labels(role, nil),
		ConfigModifier: func(c *container.Config) {
			c.OpenStdin, c.StdinOnce = true, true
			c.AttachStdin, c.AttachStdout, c.AttachStderr = true, true, true
			c.User = lab.AgentUser
		},
		HostConfigModifier: func(h *container.HostConfig) {
			harden(h, r.nofile)
			h.NetworkMode = "none"
			limit(h)
		},
		LifecycleHooks: []testcontainers.ContainerLifecycleHooks{{
			PreStarts: []testcontainers.ContainerHook{attach},
		}},
	})
	if err != nil {
		if attached != nil {
			_ = attached.Close() // create has removed the container
		}
		return "", nil, fmt.Errorf("starting a %s container: %w", role, err)
	}
	return c.GetContainerID(), attached, nil
}

// create creates and starts a container, with the lab's values for the image settings that it
// replaces. It removes a container that does not start.
func (r *Run) create(
	ctx context.Context, req testcontainers.ContainerRequest,
) (testcontainers.Container, error) {
	volumesFrom, err := r.admit(ctx, req.Image)
	if err != nil {
		return nil, err
	}
	overrideImageSettings(&req, volumesFrom)
	c, err := r.engine.provider.CreateContainer(ctx, req)
	if err == nil && len(volumesFrom) > 0 {
		err = r.checkMounts(ctx, c.GetContainerID())
	}
	if err == nil {
		err = c.Start(ctx)
	}
	if err == nil {
		return c, nil
	}
	if c != nil {
		err = errors.Join(err, r.engine.remove(context.WithoutCancel(ctx), c.GetContainerID()))
	}
	return nil, fault.During(ctx, fault.Engine, err)
}
