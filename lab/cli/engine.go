package cli

import (
	"context"
	"errors"

	"runtimelab/lab/engine"
	"runtimelab/lab/host"
)

type engineCommands struct {
	Up   engineUpCommand   `cmd:"" help:"${engine_up_help}"`
	Down engineDownCommand `cmd:"" help:"Stop the engine that 'lab engine up' started, and no other."`
}

type engineUpCommand struct{}

// Run starts an engine, or installs one, unless one answers already.
func (engineUpCommand) Run(a *app) error {
	d, err := daemon(a)
	if err != nil {
		return err
	}
	return d.Up(a.ctx)
}

type engineDownCommand struct{}

// Run stops the engine that engineUpCommand started.
func (engineDownCommand) Run(a *app) error {
	d, err := daemon(a)
	if err != nil {
		return err
	}
	return d.Down(a.ctx)
}

// daemon returns the engine that engine up and engine down control.
func daemon(a *app) (host.Daemon, error) {
	address, err := engine.Resolve()
	if err != nil {
		return host.Daemon{}, err
	}
	return host.Daemon{Log: a.Err, Reachable: reachable, Explicit: address.Explicit}, nil
}

// reachable returns an error unless an engine that the lab can use answers at the
// configured address.
func reachable(ctx context.Context) error {
	address, err := engine.Resolve()
	if err != nil {
		return err
	}
	c, err := engine.Connect(ctx, address)
	if err != nil {
		return err
	}
	return errors.Join(c.Close(), address.Close())
}
