package engine

import (
	"context"
	"io"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
	"runtimelab/lab/image"
)

// Engine is what the lab needs of an engine. Errors name the engine as their cause (fault.Engine)
// unless the call's context has ended; those of image.Engine name no party.
type Engine interface {
	image.Engine

	// Location returns the engine's address and where it was configured, for people.
	Location() string

	// Local reports whether the engine's containers run on this machine, and so on the CPUs that this
	// process sees.
	Local() bool

	// Facts reads the engine's description.
	Facts(ctx context.Context) (Facts, error)

	// CheckInRegistry returns nil if the engine can pull the image. It does not pull it.
	CheckInRegistry(ctx context.Context, ref string) error

	// BeginRun takes a lease for the run with this id. The lease and the cells run the agent's image.
	// A run is alive while its lease is, and its lease ends with this process, however that ends.
	BeginRun(ctx context.Context, id string, agent lab.Image) (Run, error)

	// Sweep removes the containers of dead runs. It returns how many it removed.
	Sweep(ctx context.Context) (int, error)

	// AliveRuns returns the ids of the runs that are alive: they measure, or wait to.
	AliveRuns(ctx context.Context) ([]string, error)

	// MeasuringLockHolder describes the run that holds the measuring lock; empty if no run does.
	MeasuringLockHolder(ctx context.Context) string

	Close() error
}

// Run is one run's lease and containers on an engine. Reads and writes go to the agent in the lease,
// which may use all of the engine's CPUs and never attacks.
type Run interface {
	io.ReadWriter

	// CheckLease returns nil while the run can continue, and otherwise why it cannot.
	CheckLease(ctx context.Context) error

	// Lock waits for the engine-wide measuring lock. While it waits, it calls waiting once with the
	// lock's holder. holder describes this process for others.
	Lock(ctx context.Context, holder string, waiting func(holder string)) error

	// LimitNofile limits the open files of every container of the run to granted, the hard limit that
	// the lease has, and to Nofile. It returns the limit.
	LimitNofile(granted int) int

	// Quotas returns the CPU quotas above the run's containers, the nearest first. known is false if
	// they cannot be read.
	Quotas(ctx context.Context) (quotas []Quota, known bool, err error)

	// Admit returns an error that names each setting of an image that the lab refuses.
	Admit(ctx context.Context, ref string) error

	// AdmitServer returns an error if the lab cannot run an image of the user's own as a variant. name
	// is the image's for people.
	AdmitServer(ctx context.Context, v lab.Variant, image lab.Image, name string) error

	// Open starts a generator in a new cell, and the services of a request in their order. After each
	// start it waits for awaitReady. After an error the cell, if it is not nil, holds what is open, and
	// must be closed.
	Open(ctx context.Context, request lab.CellRequest,
		awaitReady func(ctx context.Context, opening Cell, started lab.Service) error) (Cell, error)

	// End removes all containers of the run, the lease last.
	End(ctx context.Context) error
}

// Cell is a network namespace with loopback only, and a process namespace, with a generator. Reads
// and writes go to its agent, which sees the services' threads.
type Cell interface {
	io.ReadWriter

	// Services returns the services of the cell in the order in which they started.
	Services() []Service

	// AgentStderr returns the end of the agent's standard error.
	AgentStderr() string

	// ExitReason returns how the generator ended. It is empty while the generator runs, or if the engine
	// cannot tell.
	ExitReason(ctx context.Context) string

	// Close removes the generator and the services of the cell.
	Close(ctx context.Context) error
}

// Service is the container of a service in a cell.
type Service interface {
	// Spec returns what was asked for, and Grant what the service got.
	Spec() lab.Service
	Grant() lab.Grant

	// StartedAt returns when the service's process started, by the cell's clock.
	StartedAt() time.Time

	// Done returns a channel that receives nil when the service's process has ended, or why the engine
	// cannot wait for that.
	Done(ctx context.Context) <-chan error

	// Ending returns how the service ended, with the end of its log. It is zero while the service runs,
	// or if the engine cannot tell.
	Ending(ctx context.Context) lab.Ending

	// LogTail returns the last lines of the service's output.
	LogTail(ctx context.Context) string

	// Usage returns the resources that the service has used so far. Call it only at the start and end
	// of a phase: reading it costs CPU time.
	Usage(ctx context.Context) (account.Usage, error)
}
