//go:build linux

// Command agent is the first process of a cell: the load generator, and its
// end of the conversation with the lab. As "agent serve", it is one of the
// lab's own responders; as "agent awake", what keeps a generator's CPU awake.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"runtimelab/lab/agent"
	"runtimelab/lab/serve"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) > 0 && args[0] == "serve":
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		return serve.Command(ctx, args[1:])
	case len(args) == 2 && args[0] == agent.VerbAwake:
		cpu, err := strconv.Atoi(args[1])
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		return agent.KeepAwake(cpu, os.Stdin, os.Stdout)
	}
	return agent.Serve(context.Background(), os.Stdin, os.Stdout, agent.ThisMachine())
}
