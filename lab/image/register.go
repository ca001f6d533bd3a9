package image

import (
	"context"
	"fmt"
	"slices"
	"time"

	"runtimelab/lab"
)

// registerAndCleanUp tags every built image and removes everything else that the builds left, even
// if ctx was cancelled.
func (b *Builder) registerAndCleanUp(ctx context.Context, jobs []*buildJob) {
	built := false
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*b.cleanupTimeout)
	defer cancel()
	for _, j := range jobs {
		if j.made.ID != "" && j.err == nil {
			j.err = b.register(ctx, j)
		}
	}
	for _, j := range jobs {
		if !j.made.leftAny() {
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
	if err := b.engine.PruneImages(ctx, ownerLabel+"="+owner); err != nil {
		b.logf("remove untagged images of earlier builds: %v", err)
	}
}

// register tags the image that the engine built, and makes it the job's result.
func (b *Builder) register(ctx context.Context, j *buildJob) error {
	ref := imageRef(j.source.Name, j.content)
	built, err := b.inspect(ctx, j.made.ID)
	if err != nil {
		return err
	}
	if built == nil || built.Config == nil {
		return fmt.Errorf("image %s of %s disappeared before it was tagged: "+
			"does another process remove images on this engine?", j.made.ID, j.source.Title)
	}
	if err := b.checkPlatform(ctx, "of "+j.source.Title, built, wrongFromHint); err != nil {
		return err
	}
	if err := b.engine.RegisterImage(ctx, built.ID, ref, j.base.buildOnlyEnv); err != nil {
		return fmt.Errorf("register image %s: %w", ref, err)
	}
	found, err := b.inspect(ctx, ref)
	if err != nil {
		return err
	}
	if found == nil || !slices.Equal(found.Layers, built.Layers) {
		return fmt.Errorf("register image %s: the engine did not keep its layers", ref)
	}
	j.result = lab.Image{Ref: ref, ID: found.ID, ContentSHA256: j.content, BaseOrigin: j.base.origin}
	return nil
}

// discard removes what a build left. It retries for cleanupTimeout, because an engine needs a moment
// to stop a build.
func (b *Builder) discard(ctx context.Context, j *buildJob) error {
	deadline := time.Now().Add(b.cleanupTimeout)
	for {
		err := b.engine.DiscardBuild(ctx, j.made)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) || sleep(ctx, 200*time.Millisecond) != nil {
			return fmt.Errorf("remove what the builder left: %w", err)
		}
	}
}
