package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/agent/binary"
	"runtimelab/lab/engine"
	"runtimelab/lab/image"
	"runtimelab/lab/script"
)

type cleanCommand struct {
	Images bool `help:"Remove all images of the lab, stand-in bases included; the next run builds them anew."`
}

// Run removes what dead runs left, and the images that this checkout has no
// use for any more.
func (c *cleanCommand) Run(a *app) (err error) {
	root, err := a.rootDir()
	if err != nil {
		return err
	}
	e, err := engine.Open(a.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	swept, err := e.Sweep(a.ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Out, "containers of dead runs: %d removed\n", swept)
	builder := image.NewBuilder(e.Client(), image.Options{Log: a.Err, EngineIsRemote: !e.Local()})
	unused, err := c.unused(a, e, builder, root)
	if err != nil {
		return err
	}
	if err := refuseWhileMeasuring(a.ctx, e, unused); err != nil {
		return err
	}
	var bytes int64
	for _, i := range unused {
		bytes += i.Bytes
	}
	if err := builder.Remove(a.ctx, unused); err != nil {
		return err
	}
	fmt.Fprintf(a.Out, "images: %d removed (%d MiB, shared layers counted each time)\n", len(unused), bytes>>20)
	return nil
}

// refuseWhileMeasuring refuses to take images from under a run that goes on: its next server
// would have none, and what another checkout has no use for may be what it runs.
func refuseWhileMeasuring(ctx context.Context, e *engine.Engine, images []image.StoredImage) error {
	if len(images) == 0 {
		return nil
	}
	alive, err := e.AliveRuns(ctx)
	if err != nil || len(alive) == 0 {
		return err
	}
	return &lab.Fault{
		Code: lab.ExitFailed,
		Err: fmt.Errorf("%s not removed: run %s is measuring on this engine",
			plural(len(images), "image was", "images were"), strings.Join(alive, " and run ")),
		Hint: "wait until it has ended, or stop it, and clean again",
	}
}

func (c *cleanCommand) unused(a *app, e *engine.Engine, builder *image.Builder,
	root string,
) ([]image.StoredImage, error) {
	if c.Images {
		return builder.List(a.ctx)
	}
	library, err := script.Load(a.ctx, root, script.ParameterValues{})
	if err != nil {
		return nil, err
	}
	// A runtime whose script is broken would look as if it were gone.
	if err := library.Err(); err != nil {
		return nil, err
	}
	facts, err := e.Facts(a.ctx)
	if err != nil {
		return nil, err
	}
	program, err := binary.ForArch(facts.Arch)
	if err != nil {
		return nil, err
	}
	return builder.ListSuperseded(a.ctx, library.Runtimes, program)
}
