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

	// OpenCell starts a generator in a new cell, on the given CPUs; nil means any CPU. A server will
	// listen on port.
	OpenCell(ctx context.Context, cpus []int, port int) (Cell, error)

	// End removes all containers of the run, the lease last.
	End(ctx context.Context) error
}

// Cell is a network namespace with loopback only, and a process namespace, with a generator. Reads
// and writes go to its agent, which sees the servers' threads.
type Cell interface {
	io.ReadWriter

	// StartServer starts a variant in the cell on the given CPUs. It returns when the container runs,
	// which may be before the server answers. After an error the server, if it is not nil, must be
	// removed.
	StartServer(ctx context.Context, v lab.Variant, image lab.Image, cpus []int) (Server, error)

	// StartUpstream starts the service that the cell's server calls while it answers. It returns as
	// StartServer does.
	StartUpstream(ctx context.Context, v lab.Variant, image lab.Image, cpus []int) (Server, error)

	// AgentStderr returns the end of the agent's standard error.
	AgentStderr() string

	// ExitReason returns how the generator ended. It is empty while the generator runs, or if the engine
	// cannot tell.
	ExitReason(ctx context.Context) string

	// Close ends the generator and the servers of the cell, and removes the generator's container.
	Close(ctx context.Context) error
}

// Server is a server's container in a cell.
type Server interface {
	// StartedAt returns when the server's process started, by the cell's clock.
	StartedAt() time.Time

	// Done returns a channel that receives nil when the server's process has ended, or why the engine
	// cannot wait for that.
	Done(ctx context.Context) <-chan error

	// ExitReason returns how the server ended, with the end of its log. It is empty while the server
	// runs, or if the engine cannot tell.
	ExitReason(ctx context.Context) string

	// LogTail returns the last lines of the server's output.
	LogTail(ctx context.Context) string

	// Usage returns the resources that the server has used so far. Call it only at the start and end
	// of a phase: reading it costs CPU time.
	Usage(ctx context.Context) (account.Usage, error)

	// Remove kills the server and removes its container.
	Remove(ctx context.Context) error
}
