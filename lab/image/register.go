package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"

	"runtimelab/lab"
)

// registerAndCleanUp tags every built image and removes everything else that the builds left, even
// if ctx was cancelled.
func (b *Builder) registerAndCleanUp(ctx context.Context, jobs []*buildJob) {
	built := false
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*b.cleanupTimeout)
	defer cancel()
	for _, j := range jobs {
		if j.builtID != "" && j.err == nil {
			j.err = b.register(ctx, j)
		}
	}
	for _, j := range jobs {
		if len(j.stepImages) == 0 && len(j.containers) == 0 {
			continue
		}
		built = true
		if err := b.discard(ctx, j); err != nil {
			b.logf("%s: %v", j.source.Name, err)
		}
	}
	if !built {
		return
	}
	// Remove also what earlier labs left that were killed during a build.
	filters := make(client.Filters).Add("dangling", "true").Add("label", ownerLabel+"="+owner)
	if _, err := b.engine.ImagePrune(ctx, client.ImagePruneOptions{Filters: filters}); err != nil {
		b.logf("remove untagged images of earlier builds: %v", err)
	}
}

// register tags the built image. It loads the same layers and configuration as a new image without
// a parent, so that the chain of intermediate images can be removed. An engine with containerd's
// image store needs the bytes of the layers for that; there, register tags the built image itself.
func (b *Builder) register(ctx context.Context, j *buildJob) error {
	ref := runtimeRef(j.source.Name, j.content)
	built, err := b.inspect(ctx, j.builtID)
	if err != nil {
		return err
	}
	if built == nil || built.Config == nil {
		return fmt.Errorf("image %s of %s disappeared before it was tagged: "+
			"does another process remove images on this engine?", j.builtID, j.source.Title)
	}
	if err := b.checkPlatform(ctx, "of "+j.source.Title, built, wrongFromHint); err != nil {
		return err
	}
	if built.Descriptor != nil {
		if _, err := b.engine.ImageTag(ctx, client.ImageTagOptions{Source: built.ID, Target: ref}); err != nil {
			return fmt.Errorf("tag image %s: %w", ref, err)
		}
	} else if err := b.loadConfiguration(ctx, ref, built, j.base.buildOnlyEnv); err != nil {
		return fmt.Errorf("register image %s: %w", ref, err)
	}
	found, err := b.inspect(ctx, ref)
	if err != nil {
		return err
	}
	if found == nil || !slices.Equal(found.RootFS.Layers, built.RootFS.Layers) {
		return fmt.Errorf("register image %s: the engine did not keep its layers", ref)
	}
	j.result = lab.Image{Ref: ref, ID: found.ID, ContentSHA256: j.content, BaseOrigin: j.base.origin}
	return nil
}

// loadConfiguration loads an image archive that holds a configuration and no layers. The engine
// takes layers that it has from its own store.
func (b *Builder) loadConfiguration(
	ctx context.Context, ref string, built *client.ImageInspectResult, buildOnlyEnv []string,
) error {
	archive, err := configurationArchive(ref, built, buildOnlyEnv)
	if err != nil {
		return err
	}
	response, err := b.engine.ImageLoad(ctx, archive, client.ImageLoadWithQuiet(true))
	if err != nil {
		return err
	}
	defer response.Close()
	return readStream(response, ignoreMessage)
}

// configurationArchive returns an image archive with the configuration of built, tagged ref, and no
// layers. It leaves out the environment variables that only builds need.
func configurationArchive(
	ref string, built *client.ImageInspectResult, buildOnlyEnv []string,
) (io.Reader, error) {
	type history struct {
		Created   string `json:"created,omitempty"`
		CreatedBy string `json:"created_by"`
	}
	config := *built.Config
	config.Env = slices.DeleteFunc(slices.Clone(config.Env),
		func(env string) bool { return slices.Contains(buildOnlyEnv, env) })
	layers := built.RootFS.Layers
	image := map[string]any{
		"created":      built.Created,
		"architecture": built.Architecture,
		"os":           built.Os,
		"config":       config,
		"rootfs":       map[string]any{"type": "layers", "diff_ids": layers},
		"history":      slices.Repeat([]history{{built.Created, "runtime-lab"}}, len(layers)),
	}
	if built.Variant != "" {
		image["variant"] = built.Variant
	}
	manifest := []map[string]any{{
		"Config":   "config.json",
		"RepoTags": []string{ref},
		"Layers":   slices.Repeat([]string{"absent/layer.tar"}, len(layers)),
	}}
	imageJSON, err := json.Marshal(image)
	if err != nil {
		return nil, err
	}
	manifestJSON, err := json.Marshal(manifest)
	if err != nil {
		return nil, err
	}
	var archive bytes.Buffer
	err = writeTar(&archive,
		[]contextFile{{path: "config.json", data: imageJSON}, {path: "manifest.json", data: manifestJSON}})
	return &archive, err
}

// discard removes the containers of a build and the untagged images of its steps. It retries for
// cleanupTimeout, because an engine needs a moment to stop a build.
func (b *Builder) discard(ctx context.Context, j *buildJob) error {
	deadline := time.Now().Add(b.cleanupTimeout)
	for {
		err := b.discardOnce(ctx, j)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) || sleep(ctx, 200*time.Millisecond) != nil {
			return fmt.Errorf("remove what the builder left: %w", err)
		}
	}
}

// discardOnce tries once to remove what discard removes.
func (b *Builder) discardOnce(ctx context.Context, j *buildJob) error {
	var failed error
	for _, id := range j.containers {
		_, err := b.engine.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		if err != nil && !errdefs.IsNotFound(err) {
			failed = errors.Join(failed, fmt.Errorf("remove container %s: %w", id, err))
		}
	}
	for _, id := range slices.Backward(j.stepImages) { // later steps build on earlier ones
		if strings.HasPrefix(strings.TrimPrefix(j.base.id, "sha256:"), id) {
			continue
		}
		found, err := b.inspect(ctx, id)
		if err == nil && (found == nil || len(found.RepoTags) > 0 || len(found.RepoDigests) > 0) {
			continue // removed already, or tagged by a user
		}
		if err == nil {
			_, err = b.engine.ImageRemove(ctx, id, client.ImageRemoveOptions{PruneChildren: true})
		}
		if err != nil && !errdefs.IsNotFound(err) && !hasChildren(err) {
			failed = errors.Join(failed, fmt.Errorf("remove untagged image %s: %w", id, err))
		}
	}
	return failed
}

// hasChildren reports whether an image cannot be removed because others are built on it. The
// build's own images were removed first, so these are a user's images that share its steps.
func hasChildren(err error) bool { return strings.Contains(err.Error(), "dependent child images") }

// ignoreMessage ignores a message of the engine.
func ignoreMessage(jsonstream.Message) {}
