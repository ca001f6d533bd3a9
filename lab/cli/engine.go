package cli

import (
	"context"

	"runtimelab/lab/engine"
	"runtimelab/lab/engine/docker"
	"runtimelab/lab/host"
)

// connect connects to the engine that measures. It is the one place that chooses the kind of engine.
func connect(ctx context.Context) (engine.Engine, error) {
	e, err := docker.Open(ctx)
	if err != nil {
		return nil, err // not a nil *docker.Engine in the interface
	}
	return e, nil
}

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
	address, err := docker.Resolve()
	if err != nil {
		return host.Daemon{}, err
	}
	return host.Daemon{Log: a.Err, Reachable: docker.CheckReachable, Explicit: address.Explicit}, nil
}
