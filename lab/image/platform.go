package image

import (
	"cmp"
	"context"
	"fmt"

	"github.com/moby/moby/client"

	"runtimelab/lab/fault"
)

// Hints of checkPlatform, for a base and for an image that was built on one.
const (
	wrongBaseHint = "remove this image from the engine, and pull or load the one for the engine's platform"
	wrongFromHint = "a FROM in the Dockerfile names an image for another platform: use one for the engine's"
)

// checkPlatform returns an error with hint if an image's operating system or architecture differs
// from the engine's. The engine would emulate such an image or fail to run it. Values that the
// image does not state are not compared.
func (b *Builder) checkPlatform(
	ctx context.Context, name string, img *client.ImageInspectResult, hint string,
) error {
	version, err := b.engine.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return fmt.Errorf("ask the engine for its platform: %w", err)
	}
	enginePlatform := version.Os + "/" + version.Arch
	platform := cmp.Or(img.Os, version.Os) + "/" + cmp.Or(img.Architecture, version.Arch)
	if platform != enginePlatform {
		return &fault.Error{
			Code: fault.ExitFailed,
			Err: fmt.Errorf("image %s is %s, the engine runs %s: the lab does not measure under emulation",
				name, platform, enginePlatform),
			Hint: hint,
		}
	}
	return nil
}
