package session

import (
	"context"
	"time"

	"runtimelab/lab/agent"
	"runtimelab/lab/engine"
	"runtimelab/lab/fault"
	"runtimelab/lab/image"
	"runtimelab/lab/record"
)

// Lease is the container that shows that a run is alive, with its agent. The agent may use
// every CPU of the engine's machine, and never attacks.
type Lease struct {
	*agent.Client
	run engine.Run
}

func newLease(run engine.Run) *Lease {
	return &Lease{Client: agent.NewClient(fault.Lab, run, run), run: run}
}

// OpenLease takes a lease on an engine without its measuring lock, to look at the machine
// as containers see it. version is that of the lab. The caller must end the lease.
func OpenLease(ctx context.Context, e engine.Engine, arch, version string) (*Lease, error) {
	built, _, err := ensureAgent(ctx, NewBuilder(e, image.Options{Version: version}), arch)
	if err != nil {
		return nil, err
	}
	run, err := e.BeginRun(ctx, record.NewID(time.Now()), built)
	if err != nil {
		return nil, err
	}
	return newLease(run), nil
}

// End removes the containers of the lease's run, also after an interruption. It gives up
// after 30 seconds, because an engine may hang.
func (l *Lease) End(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	return l.run.End(ctx)
}
