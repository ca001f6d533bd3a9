package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"runtimelab/lab/fault"
)

// leaseStartTimeout is how long a lease may exist before it runs.
const leaseStartTimeout = 30 * time.Second

// Sweep removes the containers of dead runs, those whose lease does not run. It returns how many it
// removed.
func (e *Engine) Sweep(ctx context.Context) (int, error) {
	all, err := e.labContainers(ctx)
	if err != nil {
		return 0, err
	}
	alive := aliveRuns(all, time.Now())
	swept := 0
	var errs []error
	for _, c := range all {
		if alive[c.Labels[labelRun]] {
			continue
		}
		if err := e.remove(ctx, c.ID); err != nil {
			errs = append(errs, err)
			continue
		}
		swept++
	}
	return swept, errors.Join(errs...)
}

// AliveRuns returns the ids of runs whose lease is alive: they measure, or wait to.
func (e *Engine) AliveRuns(ctx context.Context) ([]string, error) {
	all, err := e.labContainers(ctx)
	return slices.Sorted(maps.Keys(aliveRuns(all, time.Now()))), err
}

// aliveRuns returns the set of run ids whose lease is alive.
func aliveRuns(all []container.Summary, now time.Time) map[string]bool {
	alive := make(map[string]bool)
	for _, c := range all {
		if c.Labels[labelRole] == roleLease && isLeaseAlive(c, now) {
			alive[c.Labels[labelRun]] = true
		}
	}
	return alive
}

func isLeaseAlive(c container.Summary, now time.Time) bool {
	switch c.State {
	case container.StateRunning:
		return true
	case container.StateCreated:
		return now.Sub(time.Unix(c.Created, 0)) < leaseStartTimeout
	}
	return false
}

// labContainers lists the containers of all runs on this engine, in any state.
func (e *Engine) labContainers(ctx context.Context) ([]container.Summary, error) {
	listed, err := e.client.ContainerList(ctx, client.ContainerListOptions{
		All:     true,
		Filters: make(client.Filters).Add("label", labelOwner+"="+owner),
	})
	if err != nil {
		return nil, fault.During(ctx, fault.Engine, fmt.Errorf("listing the lab's containers: %w", err))
	}
	// Containers of an image build have the owner's label from their image, but no run's;
	// the builder removes them.
	var runs []container.Summary
	for _, c := range listed.Items {
		if c.Labels[labelRun] != "" {
			runs = append(runs, c)
		}
	}
	return runs, nil
}

func (e *Engine) removeContainers(ctx context.Context, which func(container.Summary) bool) error {
	all, err := e.labContainers(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range all {
		if which(c) {
			errs = append(errs, e.remove(ctx, c.ID))
		}
	}
	return errors.Join(errs...)
}

// removeAttempts and removePause bound the attempts to remove one container.
const (
	removeAttempts = 5
	removePause    = 200 * time.Millisecond
)

// remove kills and removes a container with its volumes. It succeeds if the container is gone or
// another process is removing it. An engine refuses to remove a container that ends by itself while
// it is killed, as one that has no memory left, so remove tries again.
func (e *Engine) remove(ctx context.Context, id string) error {
	for attempt := 1; ; attempt++ {
		_, err := e.client.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		if err == nil || errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
			return nil
		}
		if attempt == removeAttempts || ctx.Err() != nil {
			return fault.During(ctx, fault.Engine, fmt.Errorf("removing container %.12s: %w", id, err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(removePause):
		}
	}
}
