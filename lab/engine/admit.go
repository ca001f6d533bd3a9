package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// Admit checks the settings of an image before the run starts containers of it:
// see settings. It returns an error that names what the lab refuses.
func (r *Run) Admit(ctx context.Context, ref string) error {
	_, err := r.admit(ctx, ref)
	return err
}

// admit checks an image once and returns where its containers get their volumes
// from. An engine makes a writable volume at each VOLUME of an image, unless the
// container takes one over from another container. The run keeps such a
// container for each image with volumes. It is never started: the engine fills
// its volumes with what the image has there, and removes them with it.
func (r *Run) admit(ctx context.Context, ref string) (volumesFrom []string, err error) {
	r.admitting.Lock()
	defer r.admitting.Unlock()
	if known, ok := r.admitted[ref]; ok {
		return known, nil
	}
	var inspected bytes.Buffer
	raw := client.ImageInspectWithRawResponse(&inspected)
	if _, err := r.engine.client.ImageInspect(ctx, ref, raw); err != nil {
		return nil, fmt.Errorf("inspecting image %s: %w", ref, err)
	}
	volumes, err := checkSettings(ref, inspected.Bytes())
	if err != nil {
		return nil, err
	}
	if len(volumes) > 0 {
		keeper, err := r.keepVolumes(ctx, ref)
		if err != nil {
			return nil, fmt.Errorf("image %s: VOLUME %s: %w", ref, strings.Join(volumes, " "), err)
		}
		volumesFrom = []string{keeper + ":ro"}
	}
	if r.admitted == nil {
		r.admitted = make(map[string][]string)
	}
	r.admitted[ref] = volumesFrom
	return volumesFrom, nil
}

// keepVolumes creates the container that has the volumes of an image.
func (r *Run) keepVolumes(ctx context.Context, ref string) (id string, err error) {
	created, err := r.engine.client.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{
			Image:      ref,
			Entrypoint: agentCommand, // an engine wants some command
			Labels:     r.labels(roleVolumes, nil),
		},
		HostConfig: &container.HostConfig{NetworkMode: "none"},
	})
	return created.ID, err
}

// neutralise has a request replace what its image sets: see settings.
func neutralise(req *testcontainers.ContainerRequest, volumesFrom []string) {
	configure, limit := req.ConfigModifier, req.HostConfigModifier
	req.ConfigModifier = func(c *container.Config) {
		if configure != nil {
			configure(c)
		}
		replaceSettings(c)
	}
	req.HostConfigModifier = func(h *container.HostConfig) {
		if limit != nil {
			limit(h)
		}
		h.VolumesFrom = volumesFrom
	}
}

// checkMounts makes sure that an engine has given a container of an image with
// volumes nothing that it could write to.
func (r *Run) checkMounts(ctx context.Context, id string) error {
	inspected, err := r.engine.client.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return fmt.Errorf("inspecting container %.12s: %w", id, err)
	}
	for _, m := range inspected.Container.Mounts {
		if m.RW {
			return errors.New("this engine mounts the VOLUME " + m.Destination + " of its image writable")
		}
	}
	return nil
}
