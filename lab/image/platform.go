package image

import (
	"cmp"
	"context"
	"fmt"

	"github.com/moby/moby/client"

	"runtimelab/lab"
)

// Hints of checkPlatform: of a base, and of an image that was built on one.
const (
	wrongBase = "remove that image from the engine, and pull or load the one of the engine's platform"
	wrongFrom = "the Dockerfile takes an image of another platform in a FROM: use one of the engine's"
)

// checkPlatform refuses an image of another operating system or architecture
// than the engine's, which runs it under emulation or not at all. What an image
// does not say is not compared. hint is what to do about it.
func (b *Builder) checkPlatform(
	ctx context.Context, name string, img *client.ImageInspectResult, hint string,
) error {
	version, err := b.engine.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return fmt.Errorf("ask the engine for its platform: %w", err)
	}
	runs := version.Os + "/" + version.Arch
	if made := cmp.Or(img.Os, version.Os) + "/" + cmp.Or(img.Architecture, version.Arch); made != runs {
		return &lab.Fault{
			Code: lab.ExitFailed,
			Err: fmt.Errorf("image %s is %s, the engine runs %s: the lab does not measure under emulation",
				name, made, runs),
			Hint: hint,
		}
	}
	return nil
}
