package cli

import (
	"errors"
	"fmt"

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
	root, err := a.folder()
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
	builder := image.New(e.Client(), image.Options{Log: a.Err, Remote: !e.Local()})
	unused, err := c.unused(a, e, builder, root)
	if err != nil {
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

func (c *cleanCommand) unused(a *app, e *engine.Engine, builder *image.Builder, root string) ([]image.Stored, error) {
	if c.Images {
		return builder.All(a.ctx)
	}
	library, err := script.Load(a.ctx, root, script.Given{})
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
	program, err := binary.For(facts.Arch)
	if err != nil {
		return nil, err
	}
	return builder.Superseded(a.ctx, library.Runtimes, program)
}
