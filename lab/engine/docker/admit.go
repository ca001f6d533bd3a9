package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"runtimelab/lab/fault"
)

// Admit checks the settings of an image against the table settings, before the run starts
// containers of it. The error names each setting that the lab refuses.
func (r *Run) Admit(ctx context.Context, ref string) error {
	_, err := r.admit(ctx, ref)
	return err
}

// admit checks an image once and returns where its containers get their volumes from. An engine
// creates a writable volume for each VOLUME of an image, unless the container takes it from another
// container. For each image with volumes the run keeps such a container. It is never started: the
// engine fills its volumes from the image, and removes them with it.
func (r *Run) admit(ctx context.Context, ref string) (volumesFrom []string, err error) {
	r.admitting.Lock()
	defer r.admitting.Unlock()
	if known, ok := r.admitted[ref]; ok {
		return known, nil
	}
	var inspected bytes.Buffer
	raw := client.ImageInspectWithRawResponse(&inspected)
	if _, err := r.engine.client.ImageInspect(ctx, ref, raw); err != nil {
		return nil, fault.During(ctx, fault.Engine, fmt.Errorf("inspecting image %s: %w", ref, err))
	}
	volumes, err := checkSettings(ref, inspected.Bytes())
	if err != nil {
		return nil, err
	}
	if len(volumes) > 0 {
		source, err := r.createVolumeContainer(ctx, ref)
		if err != nil {
			return nil, fmt.Errorf("image %s: VOLUME %s: %w", ref, strings.Join(volumes, " "), err)
		}
		volumesFrom = []string{source + ":ro"}
	}
	if r.admitted == nil {
		r.admitted = make(map[string][]string)
	}
	r.admitted[ref] = volumesFrom
	return volumesFrom, nil
}

// createVolumeContainer creates the container that holds the volumes of an image.
func (r *Run) createVolumeContainer(ctx context.Context, ref string) (id string, err error) {
	created, err := r.engine.client.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{
			Image:      ref,
			Entrypoint: agentCommand, // never runs, but the engine requires a command
			Labels:     r.labels(roleVolumes, nil),
		},
		HostConfig: &container.HostConfig{NetworkMode: "none"},
	})
	return created.ID, fault.During(ctx, fault.Engine, err)
}

// overrideImageSettings makes req replace the settings that its image must not decide: see
// settings.
func overrideImageSettings(req *testcontainers.ContainerRequest, volumesFrom []string) {
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

// checkMounts returns an error if the engine gave a container a writable mount.
func (r *Run) checkMounts(ctx context.Context, id string) error {
	inspected, err := r.engine.client.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return fault.During(ctx, fault.Engine, fmt.Errorf("inspecting container %.12s: %w", id, err))
	}
	for _, m := range inspected.Container.Mounts {
		if m.RW {
			return fault.By(fault.Engine,
				errors.New("this engine mounts the VOLUME "+m.Destination+" of the image writable"))
		}
	}
	return nil
}
