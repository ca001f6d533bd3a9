package docker

import (
	"context"
	"io"
	"maps"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"

	"runtimelab/lab/image"
)

// imageAPI is the part of the engine's API that images need.
type imageAPI interface {
	ImageBuild(context.Context, io.Reader, client.ImageBuildOptions) (client.ImageBuildResult, error)
	ImageImport(context.Context, client.ImageImportSource, string,
		client.ImageImportOptions) (client.ImageImportResult, error)
	ImageInspect(context.Context, string, ...client.ImageInspectOption) (client.ImageInspectResult, error)
	ImageList(context.Context, client.ImageListOptions) (client.ImageListResult, error)
	ImageLoad(context.Context, io.Reader, ...client.ImageLoadOption) (client.ImageLoadResult, error)
	ImagePrune(context.Context, client.ImagePruneOptions) (client.ImagePruneResult, error)
	ImagePull(context.Context, string, client.ImagePullOptions) (client.ImagePullResponse, error)
	ImageRemove(context.Context, string, client.ImageRemoveOptions) (client.ImageRemoveResult, error)
	ImageTag(context.Context, client.ImageTagOptions) (client.ImageTagResult, error)
	ContainerRemove(context.Context, string, client.ContainerRemoveOptions) (client.ContainerRemoveResult, error)
	NetworkInspect(context.Context, string, client.NetworkInspectOptions) (client.NetworkInspectResult, error)
	ServerVersion(context.Context, client.ServerVersionOptions) (client.ServerVersionResult, error)
}

// imageStore is an engine as package image needs it. Its errors name no party: images are made
// before anything is measured.
type imageStore struct{ api imageAPI }

var _ image.Engine = imageStore{}

// Platform returns the platform of the engine's containers.
func (s imageStore) Platform(ctx context.Context) (image.Platform, error) {
	version, err := s.api.ServerVersion(ctx, client.ServerVersionOptions{})
	return image.Platform{OS: version.Os, Architecture: version.Arch}, err
}

// InspectImage describes an image.
func (s imageStore) InspectImage(ctx context.Context, name string) (image.Description, error) {
	got, err := s.api.ImageInspect(ctx, name)
	if err != nil {
		return image.Description{}, withImageKind(err)
	}
	described := image.Description{
		ID: got.ID, Digests: got.RepoDigests, Layers: got.RootFS.Layers,
		Platform: image.Platform{OS: got.Os, Architecture: got.Architecture, Variant: got.Variant},
	}
	if c := got.Config; c != nil {
		described.Config = &image.Config{
			Env: c.Env, Entrypoint: c.Entrypoint, Command: c.Cmd, Volumes: slices.Sorted(maps.Keys(c.Volumes)),
			User: c.User, WorkingDir: c.WorkingDir, Labels: c.Labels,
		}
	}
	return described, nil
}

// ListImages returns the images with a label.
func (s imageStore) ListImages(ctx context.Context, label string) ([]image.StoredImage, error) {
	listed, err := s.api.ImageList(ctx, client.ImageListOptions{
		Filters: make(client.Filters).Add("label", label),
	})
	if err != nil {
		return nil, err
	}
	var all []image.StoredImage
	for _, summary := range listed.Items {
		refs := slices.DeleteFunc(slices.Clone(summary.RepoTags),
			func(ref string) bool { return ref == "<none>:<none>" })
		all = append(all, image.StoredImage{ID: summary.ID, Refs: refs, Bytes: summary.Size})
	}
	return all, nil
}

// PullImage fetches an image from its registry.
func (s imageStore) PullImage(ctx context.Context, ref string, progress func()) error {
	response, err := s.api.ImagePull(ctx, ref, client.ImagePullOptions{})
	if err != nil {
		return withPullKind(err)
	}
	defer response.Close()
	return withPullKind(readStream(response, func(jsonstream.Message) { progress() }))
}

// ImportImage makes an image of one layer from a tar stream.
func (s imageStore) ImportImage(ctx context.Context, rootFS io.Reader, ref string, changes []string) error {
	source := client.ImageImportSource{Source: rootFS, SourceName: "-"}
	response, err := s.api.ImageImport(ctx, source, ref, client.ImageImportOptions{Changes: changes})
	if err != nil {
		return err
	}
	defer response.Close()
	return readStream(response, ignoreMessage)
}

// TagImage adds a tag to an image.
func (s imageStore) TagImage(ctx context.Context, name, tag string) error {
	_, err := s.api.ImageTag(ctx, client.ImageTagOptions{Source: name, Target: tag})
	return withImageKind(err)
}

// RemoveImage removes a tag, and the image and its untagged parents with its last one.
func (s imageStore) RemoveImage(ctx context.Context, name string) error {
	_, err := s.api.ImageRemove(ctx, name, client.ImageRemoveOptions{PruneChildren: true})
	return withImageKind(err)
}

// PruneImages removes all untagged images with a label.
func (s imageStore) PruneImages(ctx context.Context, label string) error {
	_, err := s.api.ImagePrune(ctx, client.ImagePruneOptions{
		Filters: make(client.Filters).Add("dangling", "true").Add("label", label),
	})
	return err
}

// withImageKind adds the kind to an error about an image that the engine does not have.
func withImageKind(err error) error {
	if errdefs.IsNotFound(err) {
		return image.WithKind(image.ErrNotFound, err)
	}
	return err
}

// ignoreMessage ignores a message of the engine.
func ignoreMessage(jsonstream.Message) {}
