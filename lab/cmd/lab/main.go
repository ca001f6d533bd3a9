// Command lab measures runtimes in containers: see lab --help.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"runtimelab/lab/cli"
	"runtimelab/lab/fault"
	"runtimelab/lab/script"
)

// memoryLimit is Go's soft memory limit (GOMEMLIMIT) for the lab. It measures on small machines,
// next to a generator that needs its cache. Checking many variants against the contract uses less.
const memoryLimit = 64 << 20

func main() {
	script.ServeEvaluation()
	debug.SetMemoryLimit(memoryLimit)
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		fmt.Fprintln(os.Stderr,
			"\ninterrupted: stopping the trial and cleaning up (press Ctrl-C again to quit at once)")
		cancel(cli.ErrInterrupted)
		<-signals
		os.Exit(fault.ExitInterrupted)
	}()
	os.Exit(cli.Run(ctx, cli.Streams{Out: os.Stdout, Err: os.Stderr}, os.Args[1:]))
}
