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

// registerAndCleanUp makes every built image known by its tag and removes all else that
// the builds left, also when ctx was cancelled.
func (b *Builder) registerAndCleanUp(ctx context.Context, jobs []*buildJob) {
	worked := false
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*b.cleanupTimeout)
	defer cancel()
	for _, j := range jobs {
		if j.id != "" && j.err == nil {
			j.err = b.register(ctx, j)
		}
	}
	for _, j := range jobs {
		if len(j.steps) == 0 && len(j.started) == 0 {
			continue
		}
		worked = true
		if err := b.discard(ctx, j); err != nil {
			b.logf("%s: %v", j.runtime.Name, err)
		}
	}
	if !worked {
		return
	}
	// What labs left that were killed while they built.
	filters := make(client.Filters).Add("dangling", "true").Add("label", ownerLabel+"="+owner)
	if _, err := b.engine.ImagePrune(ctx, client.ImagePruneOptions{Filters: filters}); err != nil {
		b.logf("remove untagged images of earlier builds: %v", err)
	}
}

// register makes the built image known by its tag: the same layers and
// configuration as a new image without a parent, so that the chain of images
// behind the built one can go. Where the engine keeps images in containerd's
// store, which wants the layers' bytes too, the built image itself is tagged.
func (b *Builder) register(ctx context.Context, j *buildJob) error {
	ref := runtimeRef(j.runtime.Name, j.content)
	built, err := b.inspect(ctx, j.id)
	if err != nil {
		return err
	}
	if built == nil || built.Config == nil {
		return fmt.Errorf("the image %s of runtime %s went before it was tagged: does another process remove "+
			"images on this engine?", j.id, j.runtime.Name)
	}
	if err := b.checkPlatform(ctx, "of runtime "+j.runtime.Name, built, wrongFrom); err != nil {
		return err
	}
	if built.Descriptor != nil {
		if _, err := b.engine.ImageTag(ctx, client.ImageTagOptions{Source: built.ID, Target: ref}); err != nil {
			return fmt.Errorf("tag image %s: %w", ref, err)
		}
	} else if err := b.loadConfiguration(ctx, ref, built); err != nil {
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

// loadConfiguration loads an image archive that holds a configuration and no
// layers: an engine takes from its own store those that it has.
func (b *Builder) loadConfiguration(ctx context.Context, ref string, built *client.ImageInspectResult) error {
	archive, err := configurationArchive(ref, built)
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

func configurationArchive(ref string, built *client.ImageInspectResult) (io.Reader, error) {
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

// discard removes the containers of a build and the untagged images of its
// steps. An engine that is told to stop a build takes a moment to do so.
func (b *Builder) discard(ctx context.Context, j *buildJob) error {
	deadline := time.Now().Add(b.cleanupTimeout)
	for {
		err := b.discardOnce(ctx, j)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) || sleep(ctx, 200*time.Millisecond) != nil {
			return fmt.Errorf("left behind by the builder: %w", err)
		}
	}
}

func (b *Builder) discardOnce(ctx context.Context, j *buildJob) error {
	var left error
	for _, id := range j.started {
		_, err := b.engine.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		if err != nil && !errdefs.IsNotFound(err) {
			left = errors.Join(left, fmt.Errorf("remove container %s: %w", id, err))
		}
	}
	for _, id := range slices.Backward(j.steps) { // from the last step to the first
		if strings.HasPrefix(strings.TrimPrefix(j.base.id, "sha256:"), id) {
			continue
		}
		found, err := b.inspect(ctx, id)
		if err == nil && (found == nil || len(found.RepoTags) > 0 || len(found.RepoDigests) > 0) {
			continue // gone, or named by somebody
		}
		if err == nil {
			_, err = b.engine.ImageRemove(ctx, id, client.ImageRemoveOptions{PruneChildren: true})
		}
		if err != nil && !errdefs.IsNotFound(err) && !hasChildren(err) {
			left = errors.Join(left, fmt.Errorf("remove untagged image %s: %w", id, err))
		}
	}
	return left
}

// hasChildren says that an image stays because others are built on it. Those
// of the build went first, so these are somebody's, made from the same steps.
func hasChildren(err error) bool { return strings.Contains(err.Error(), "dependent child images") }

func ignoreMessage(jsonstream.Message) {}
