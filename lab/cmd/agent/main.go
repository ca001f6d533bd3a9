//go:build linux

// Command agent is the first process of a cell: the load generator, which the lab controls over
// standard input and output. As "agent serve" it is one of the lab's own responders, and as
// "agent idle-loop" it keeps its CPUs from halting.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"runtimelab/lab/agent"
	"runtimelab/lab/sched"
	"runtimelab/lab/serve"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) > 0 {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		switch args[0] {
		case "serve":
			return serve.Command(ctx, args[1:])
		case "idle-loop":
			return sched.RunIdleLoop(ctx)
		}
	}
	return agent.Serve(context.Background(), os.Stdin, os.Stdout, agent.ThisMachine())
}
