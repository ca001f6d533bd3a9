package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"runtimelab/lab/agent/binary"
	"runtimelab/lab/engine"
	"runtimelab/lab/fault"
	"runtimelab/lab/image"
	"runtimelab/lab/message"
	"runtimelab/lab/session"
)

type cleanCommand struct {
	Images bool `help:"Remove all images of the lab, stand-in bases too; the next run builds them again."`
}

// Run removes the containers of dead runs, and images that this checkout does not need.
func (c *cleanCommand) Run(a *app) (err error) {
	if _, err := a.rootDir(); err != nil {
		return err
	}
	e, err := connect(a.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	swept, err := e.Sweep(a.ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Out, "containers of dead runs: %d removed\n", swept)
	builder := session.NewBuilder(e, image.Options{Log: a.Err})
	unused, err := c.unusedImages(a, e, builder)
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

// refuseWhileMeasuring returns an error if there are images to remove while a run is
// measuring. The run may be another checkout's, and need images that this one does not.
func refuseWhileMeasuring(ctx context.Context, e engine.Engine, images []image.StoredImage) error {
	if len(images) == 0 {
		return nil
	}
	alive, err := e.AliveRuns(ctx)
	if err != nil || len(alive) == 0 {
		return err
	}
	return &fault.Error{
		Code: fault.ExitFailed,
		Err: fmt.Errorf("%s not removed: run %s is measuring on this engine",
			message.Count(len(images), "image was", "images were"), strings.Join(alive, " and run ")),
		Hint: "wait until it has ended, or stop it, and run lab clean again",
	}
}

// unusedImages returns the images to remove: all with --images, otherwise those that the
// scripts do not use any more.
func (c *cleanCommand) unusedImages(
	a *app, e engine.Engine, builder *image.Builder,
) ([]image.StoredImage, error) {
	if c.Images {
		return builder.List(a.ctx)
	}
	_, library, err := a.loadScripts()
	if err != nil {
		return nil, err
	}
	// The images of a runtime or service would seem unused if its script has a mistake.
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
	return builder.ListSuperseded(a.ctx, library.ImageSources(), program)
}
