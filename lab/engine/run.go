package engine

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
)

// agentCommand is where the agent's image holds its only file.
var agentCommand = []string{"/agent"}

const (
	lockName         = "runtime-lab-measuring"
	lockPollInterval = time.Second
)

// Run is what one run of the lab has on the engine: its lease, and through it
// all containers that are labelled with its id. Reading and writing a Run is
// talking to the agent in its lease, which may use every CPU that the engine
// gives to containers, and is never asked to attack anything.
type Run struct {
	io.ReadWriter
	ID      string
	engine  *Engine
	agent   lab.Image
	lease   *attachedStreams
	leaseID string // the lease's container
	nofile  int

	admitting sync.Mutex
	admitted  map[string][]string // by image: where its containers get their volumes from
}

// BeginRun takes a lease for the run with this id. The agent's image is what its
// lease and its cells run from. An engine whose host may not grant Nofile open
// files gives the lease what it gives by default: see LimitNofile.
func (e *Engine) BeginRun(ctx context.Context, id string, agent lab.Image) (*Run, error) {
	r := &Run{ID: id, engine: e, agent: agent, nofile: Nofile}
	err := r.takeLease(ctx)
	if err != nil && strings.Contains(err.Error(), "rlimit") { // runc's word; the API has no code for it
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

// inspectTimeout is how long an engine is given to answer whether it is there.
const inspectTimeout = 5 * time.Second

// CheckLease says why the run cannot go on: the engine does not answer, or the run's
// lease has ended, without which others take what the run has for left over. It is
// nil while neither is so.
func (r *Run) CheckLease(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, inspectTimeout)
	defer cancel()
	lease, err := r.engine.client.ContainerInspect(ctx, r.leaseID, client.ContainerInspectOptions{})
	why := "has ended this run's lease: it was restarted, or somebody removed it"
	switch {
	case err == nil && lease.Container.State.Running:
		return nil
	case err != nil && !errdefs.IsNotFound(err):
		why = fmt.Sprintf("does not answer any more: %v", err)
	}
	return &lab.Fault{
		Code: lab.ExitFailed, Err: fmt.Errorf("the engine at %s %s", r.engine.Address.Host, why),
		Hint: "lab doctor says whether it is well again",
	}
}

// LimitNofile sets how many open files every container of the run's trials
// may have, where that is fewer than Nofile: granted is the hard limit that
// the run's lease was given. It returns what they get.
func (r *Run) LimitNofile(granted int) int {
	r.nofile = min(Nofile, granted)
	return r.nofile
}

// Lock waits for the engine-wide measuring lock: a container that is never
// started, of which there can be one by its name. waiting is told once, in
// words, who holds it. Locks of dead runs are swept.
func (r *Run) Lock(ctx context.Context, holder string, waiting func(holder string)) error {
	told := false
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
			return fmt.Errorf("taking the measuring lock: %w", err)
		}
		swept, err := r.engine.Sweep(ctx)
		if err != nil {
			return err
		}
		if swept > 0 {
			continue
		}
		if !told {
			waiting(r.engine.lockHolder(ctx))
			told = true
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(lockPollInterval):
		}
	}
}

func (e *Engine) lockHolder(ctx context.Context) string {
	lock, err := e.client.ContainerInspect(ctx, lockName, client.ContainerInspectOptions{})
	if err != nil || lock.Container.Config == nil {
		return "another run"
	}
	labels := lock.Container.Config.Labels
	return fmt.Sprintf("run %s (%s)", labels[labelRun], labels[labelHolder])
}

// End removes all that the run still has on the engine, its lease last.
func (r *Run) End(ctx context.Context) error {
	err := r.engine.removeContainers(ctx, func(c container.Summary) bool {
		return c.Labels[labelRun] == r.ID && c.Labels[labelRole] != roleLease
	})
	_ = r.lease.Close() // ends the lease's process, if it still runs
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

// startAttached starts a container of the agent's image that ends with its
// input, and returns its id and streams.
func (r *Run) startAttached(ctx context.Context, role string, limit func(*container.HostConfig)) (string,
	*attachedStreams, error,
) {
	var attached *attachedStreams
	c, err := r.create(ctx, testcontainers.ContainerRequest{
		Image:      r.agent.Ref,
		Entrypoint: agentCommand,
		Labels:     r.labels(role, nil),
		ConfigModifier: func(c *container.Config) {
			c.OpenStdin, c.StdinOnce = true, true
			c.AttachStdin, c.AttachStdout, c.AttachStderr = true, true, true
			c.User = agentUser
		},
		HostConfigModifier: func(h *container.HostConfig) {
			harden(h, r.nofile)
			h.NetworkMode = "none"
			limit(h)
		},
		LifecycleHooks: []testcontainers.ContainerLifecycleHooks{{
			PreStarts: []testcontainers.ContainerHook{func(ctx context.Context,
				c testcontainers.Container,
			) (err error) {
				attached, err = r.engine.attach(ctx, c.GetContainerID())
				return err
			}},
		}},
	})
	if err != nil {
		if attached != nil {
			_ = attached.Close() // the container goes anyway
		}
		return "", nil, fmt.Errorf("starting a %s container: %w", role, err)
	}
	return c.GetContainerID(), attached, nil
}

// create creates and starts a container in which nothing takes effect that its
// image sets and the lab replaces. A container that could not be started is
// removed before create returns.
func (r *Run) create(ctx context.Context, req testcontainers.ContainerRequest) (testcontainers.Container,
	error,
) {
	volumesFrom, err := r.admit(ctx, req.Image)
	if err != nil {
		return nil, err
	}
	neutralise(&req, volumesFrom)
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
	return nil, err
}
