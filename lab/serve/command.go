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

	"runtimelab/lab"
)

// Command runs the responder that args name, on HOST and PORT of the
// environment, until ctx ends.
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

var responderKinds = []string{"null", "reference", "burn", "virtual", "waiting", "stalling", "upstream"}

func parseResponder(args []string) (responder, error) {
	if len(args) == 0 || !slices.Contains(responderKinds, args[0]) {
		return nil, &lab.Fault{
			Code: lab.ExitUsage, Err: fmt.Errorf("no responder %q", strings.Join(args, " ")),
			Hint: "one of " + strings.Join(responderKinds, ", "),
		}
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	iterations := flags.Int("iterations", 0, "steps of fixed CPU work for each request")
	delay := flags.Duration("delay", 0, "from request to answer")
	period := flags.Duration("period", 0, "from the end of a stall to the end of the next")
	stall := flags.Duration("stall", 0, "how long nothing is answered")
	cores := flags.Int("cores", 0, "virtual cores")
	service := flags.Duration("service", 0, "of one request on the only virtual core")
	sigma := flags.Float64("sigma", 0, "contention: of the service time, for each other core")
	kappa := flags.Float64("kappa", 0, "coherency: of the service time, for each core and each other one")
	if err := flags.Parse(args[1:]); err != nil {
		return nil, &lab.Fault{Code: lab.ExitUsage, Err: err}
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
	case args[0] == "null":
		return newNull(), nil
	case args[0] == "upstream":
		return &upstream{}, nil
	}
	return nil, &lab.Fault{
		Code: lab.ExitUsage,
		Err:  errors.New("missing or senseless numbers: " + strings.Join(args, " ")),
	}
}

func isFraction(x float64) bool { return x >= 0 && x <= 1 }

// sleep waits for d, or for the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
