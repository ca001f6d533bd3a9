//go:build linux

// Command agent is the first process of a cell: the load generator, and its
// end of the conversation with the lab.
package main

import (
	"context"
	"fmt"
	"os"

	"runtimelab/lab/agent"
)

func main() {
	if err := agent.Serve(context.Background(), os.Stdin, os.Stdout, agent.ThisMachine()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
