package docker

import (
	"archive/tar"
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
	"github.com/moby/moby/client"

	"runtimelab/lab/image"
)

// RegisterImage tags the built image. It loads the same layers and configuration as a new image
// without a parent, so that the chain of intermediate images can be removed. An engine with
// containerd's image store needs the bytes of the layers for that; there, RegisterImage tags the
// built image itself.
func (s imageStore) RegisterImage(ctx context.Context, id, ref string, withoutEnv []string) error {
	built, err := s.api.ImageInspect(ctx, id)
	if err != nil {
		return withImageKind(err)
	}
	if built.Descriptor != nil {
		return s.TagImage(ctx, built.ID, ref)
	}
	archive, err := configurationArchive(ref, &built, withoutEnv)
	if err != nil {
		return err
	}
	response, err := s.api.ImageLoad(ctx, archive, client.ImageLoadWithQuiet(true))
	if err != nil {
		return err
	}
	defer response.Close()
	return readStream(response, ignoreMessage)
}

// configurationArchive returns an image archive with the configuration of built, tagged ref, and no
// layers: the engine takes layers that it has from its own store. It leaves out the environment
// variables withoutEnv.
func configurationArchive(
	ref string, built *client.ImageInspectResult, withoutEnv []string,
) (io.Reader, error) {
	type history struct {
		Created   string `json:"created,omitempty"`
		CreatedBy string `json:"created_by"`
	}
	config := *built.Config
	config.Env = slices.DeleteFunc(slices.Clone(config.Env),
		func(env string) bool { return slices.Contains(withoutEnv, env) })
	layers := built.RootFS.Layers
	described := map[string]any{
		"created":      built.Created,
		"architecture": built.Architecture,
		"os":           built.Os,
		"config":       config,
		"rootfs":       map[string]any{"type": "layers", "diff_ids": layers},
		"history":      slices.Repeat([]history{{built.Created, "runtime-lab"}}, len(layers)),
	}
	if built.Variant != "" {
		described["variant"] = built.Variant
	}
	manifest := []map[string]any{{
		"Config":   "config.json",
		"RepoTags": []string{ref},
		"Layers":   slices.Repeat([]string{"absent/layer.tar"}, len(layers)),
	}}
	var archive bytes.Buffer
	out := tar.NewWriter(&archive)
	for _, file := range []struct {
		name    string
		content any
	}{{"config.json", described}, {"manifest.json", manifest}} {
		text, err := json.Marshal(file.content)
		if err != nil {
			return nil, err
		}
		header := &tar.Header{
			Typeflag: tar.TypeReg, Name: file.name, Mode: 0o644, Size: int64(len(text)), ModTime: time.Unix(0, 0),
		}
		if err := out.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := out.Write(text); err != nil {
			return nil, err
		}
	}
	return &archive, out.Close()
}

// DiscardBuild removes the containers of a build and the untagged images of its steps.
func (s imageStore) DiscardBuild(ctx context.Context, b image.Built) error {
	var failed error
	for _, id := range b.Containers {
		_, err := s.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		if err != nil && !errdefs.IsNotFound(err) {
			failed = errors.Join(failed, fmt.Errorf("remove container %s: %w", id, err))
		}
	}
	for _, id := range slices.Backward(b.Steps) { // later steps build on earlier ones
		found, err := s.api.ImageInspect(ctx, id)
		if err == nil && (len(found.RepoTags) > 0 || len(found.RepoDigests) > 0) {
			continue // tagged by a user
		}
		if err == nil {
			err = s.RemoveImage(ctx, id)
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
