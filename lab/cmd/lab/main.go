// Command lab measures runtimes in containers: see lab --help.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"runtimelab/lab"
	"runtimelab/lab/cli"
	"runtimelab/lab/script"
)

// memoryLimit is what the lab may take before it collects more often: it measures on
// machines that are small, and beside a generator that needs its cache. What an
// examination of many variants has in use lies below.
const memoryLimit = 64 << 20

func main() {
	script.ServeEvaluation()
	debug.SetMemoryLimit(memoryLimit)
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		fmt.Fprintln(os.Stderr, "\ninterrupted: abandoning the trial and cleaning up (once more: at once)")
		cancel(cli.ErrInterrupted)
		<-signals
		os.Exit(lab.ExitInterrupted)
	}()
	os.Exit(cli.Run(ctx, cli.Streams{Out: os.Stdout, Err: os.Stderr}, os.Args[1:]))
}
