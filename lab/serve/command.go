package serve

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"runtimelab/lab/fault"
)

// Command runs the responder that args describe, on HOST and PORT of the environment,
// until ctx ends.
func Command(ctx context.Context, args []string) error {
	r, err := parseResponder(args)
	if err != nil {
		return err
	}
	address := net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT"))
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", address, err)
	}
	if err := r.serve(ctx, l.(*net.TCPListener)); err != nil {
		return fmt.Errorf("serving on %s: %w", address, err)
	}
	return nil
}

// responder serves until its listener is closed or ctx ends.
type responder interface {
	serve(ctx context.Context, l *net.TCPListener) error
}

var responderKinds = []string{
	"null", "reference", "burn", "virtual", "waiting", "stalling", "fanout",
	"upstream",
}

// parseResponder returns the responder of a command line. A mistake is a *fault.Error.
func parseResponder(args []string) (responder, error) {
	if len(args) == 0 || !slices.Contains(responderKinds, args[0]) {
		return nil, &fault.Error{
			Code: fault.ExitUsage, Err: fmt.Errorf("unknown responder %q", strings.Join(args, " ")),
			Hint: "valid: " + strings.Join(responderKinds, ", "),
		}
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	iterations := flags.Int("iterations", 0, "steps of fixed CPU work for each request")
	delay := flags.Duration("delay", 0, "time from request to answer")
	period := flags.Duration("period", 0, "from the end of a stall to the end of the next")
	stall := flags.Duration("stall", 0, "duration of a stall, in which nothing is answered")
	cores := flags.Int("cores", 0, "number of virtual cores")
	service := flags.Duration("service", 0, "time of one request on a single virtual core")
	sigma := flags.Float64("sigma", 0, "contention: share of the service time that each other core adds")
	kappa := flags.Float64("kappa", 0, "coherency: share of the service time that each pair of cores adds")
	var o FanoutOptions
	flags.Uint64Var(&o.Faults.Seed, "seed", 0, "of the list of faults")
	flags.IntVar(&o.Faults.Subscribers, "subscribers", 0, "of a room, at which faults are")
	flags.Int64Var(&o.Faults.Messages, "messages", 0, "of a room, among which faults are")
	flags.IntVar(&o.Faults.Lost, "lost", 0, "deliveries in a room that are left out")
	flags.IntVar(&o.Faults.Doubled, "doubled", 0, "deliveries in a room that come twice")
	flags.IntVar(&o.Faults.Swapped, "swapped", 0, "deliveries in a room that come before the one before")
	flags.IntVar(&o.Faults.Crossed, "crossed", 0, "deliveries in a room that have the number of the one before")
	flags.Int64Var(&o.Skip, "skip", 0, "leave out every number that this divides")
	flags.DurationVar(&o.Batch, "batch", 0, "period at whose end messages are delivered")
	flags.BoolVar(&o.Unbounded, "unbounded", false, "hold any amount for a subscriber that does not read")
	if err := flags.Parse(args[1:]); err != nil {
		return nil, &fault.Error{Code: fault.ExitUsage, Err: err}
	}
	switch {
	case args[0] == "reference" && *iterations > 0:
		return newReference(*iterations), nil
	case args[0] == "burn" && *iterations > 0:
		return burn{*iterations}, nil
	case args[0] == "virtual" && *cores > 0 && *service > 0 && isFraction(*sigma) && isFraction(*kappa):
		return newVirtual(*cores, *service, *sigma, *kappa), nil
	case args[0] == "waiting" && *delay > 0:
		return waiting{*delay}, nil
	case args[0] == "stalling" && *stall > 0 && *period > *stall:
		return newStalling(*period, *stall), nil
	case args[0] == "fanout" && *delay >= 0 && o.Batch >= 0 && o.Skip >= 0 && o.Faults.valid():
		o.Delay = *delay
		return newFanout(o), nil
	case args[0] == "null":
		return newNull(), nil
	case args[0] == "upstream":
		return &upstream{}, nil
	}
	return nil, &fault.Error{
		Code: fault.ExitUsage,
		Err:  errors.New("missing or invalid numbers: " + strings.Join(args, " ")),
	}
}

func isFraction(x float64) bool { return x >= 0 && x <= 1 }

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
