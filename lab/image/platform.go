package image

import (
	"cmp"
	"context"
	"fmt"

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
	ctx context.Context, name string, img *Description, hint string,
) error {
	engine, err := b.engine.Platform(ctx)
	if err != nil {
		return fmt.Errorf("ask the engine for its platform: %w", err)
	}
	enginePlatform := engine.OS + "/" + engine.Architecture
	platform := cmp.Or(img.Platform.OS, engine.OS) + "/" + cmp.Or(img.Platform.Architecture, engine.Architecture)
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
