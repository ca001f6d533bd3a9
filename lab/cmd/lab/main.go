// Command lab measures runtimes in containers: see lab --help.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"runtimelab/lab"
	"runtimelab/lab/cli"
	"runtimelab/lab/script"
)

func main() {
	script.ServeEvaluation()
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
