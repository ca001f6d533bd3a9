package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/moby/moby/api/types/container"

	"runtimelab/lab"
)

// Limits that every container of a trial gets, generator and servers alike.
const (
	// ServerMemory is a server's limit for memory and swap together: without
	// the second, an engine's default of swap doubles the first.
	ServerMemory = 1 << 30

	// Nofile is every process's limit of open files, soft and hard, where the
	// engine's host may grant that many. Engines differ in their default, and
	// runtimes in whether they raise it.
	Nofile = 65536

	// Somaxconn bounds the backlog of every listening socket in a cell.
	Somaxconn = 4096

	// Port is where servers listen, on the cell's loopback, and UpstreamPort
	// where what they call does.
	Port         = 8080
	UpstreamPort = 8081

	generatorMemory = 1 << 30
	leaseMemory     = 64 << 20
	pidsLimit       = 512

	// agentUser is not the servers' user: in a cell they see each other's
	// processes, and no server may touch the agent.
	agentUser = "65533:65533"

	// spoolDir is where a generator may write, in memory: hits that are kept.
	spoolDir  = "/spool"
	spoolSize = "size=768m,mode=0700,uid=65533,gid=65533"
)

// harden gives a container what every container of a trial has: nothing that
// it could change, no privilege, and the same limits. nofile is how many open
// files; 0 leaves that to the engine.
func harden(h *container.HostConfig, nofile int) {
	h.ReadonlyRootfs = true
	h.CapDrop = []string{"ALL"}
	h.SecurityOpt = []string{"no-new-privileges"}
	h.PublishAllPorts = false
	h.RestartPolicy = container.RestartPolicy{Name: container.RestartPolicyDisabled}
	h.LogConfig = logLimits()
	limit := int64(pidsLimit)
	h.PidsLimit = &limit
	if nofile > 0 {
		h.Ulimits = []*container.Ulimit{{Name: "nofile", Soft: int64(nofile), Hard: int64(nofile)}}
	}
}

// Cell is a network namespace with nothing but loopback in it, and a namespace
// of processes, both owned by the generator's container: its agent sees the
// threads of the servers, and they end with it. Reading and writing a Cell is
// talking to its agent.
type Cell struct {
	io.ReadWriter
	run       *Run
	generator string
	stream    *attachedStreams
}

// OpenCell starts a generator in a namespace of its own on the given CPUs; no
// CPUs means any.
func (r *Run) OpenCell(ctx context.Context, cpus []int) (*Cell, error) {
	id, s, err := r.startAttached(ctx, roleGenerator, func(h *container.HostConfig) {
		h.Memory, h.MemorySwap = generatorMemory, generatorMemory
		h.CpusetCpus = lab.CPUList(cpus)
		h.Tmpfs = map[string]string{spoolDir: spoolSize}
		h.Sysctls = map[string]string{
			"net.core.somaxconn":           fmt.Sprint(Somaxconn),
			"net.ipv4.ip_local_port_range": "1024 65535",
			// Otherwise a client that dials before the server listens may be
			// given the server's own port to dial from, connect to itself, and
			// keep the server from ever listening.
			"net.ipv4.ip_local_reserved_ports": fmt.Sprintf("%d,%d", Port, UpstreamPort),
		}
	})
	if err != nil {
		return nil, err
	}
	return &Cell{ReadWriter: s, run: r, generator: id, stream: s}, nil
}

// AgentStderr is what the agent wrote to its standard error, the last part.
func (c *Cell) AgentStderr() string { return c.stream.stderr.String() }

// ExitReason says how the generator ended, with what it complained of; empty while it
// runs.
func (c *Cell) ExitReason(ctx context.Context) string {
	state, err := c.run.engine.containerState(ctx, c.generator)
	if err != nil {
		return fmt.Sprintf("the generator is gone: %v", err)
	}
	how := exitReason(state, "generator", generatorMemory)
	if said := strings.TrimSpace(c.AgentStderr()); how != "" && said != "" {
		how += "; it said: " + strings.ReplaceAll(said, "\n", " | ")
	}
	return how
}

// exitReason says how a container's process ended; empty while it runs.
func exitReason(state *container.State, who string, memory int64) string {
	switch {
	case state.OOMKilled:
		return fmt.Sprintf("the %s was killed for memory (limit %d MiB)", who, memory>>20)
	case !state.Running:
		return fmt.Sprintf("the %s exited with code %d", who, state.ExitCode)
	}
	return ""
}

// Close ends the generator, and with it what runs in the cell, and removes its
// container.
func (c *Cell) Close(ctx context.Context) error {
	_ = c.stream.Close() // ends the agent; its container is removed either way
	if err := c.run.engine.remove(ctx, c.generator); err != nil {
		return errors.Join(errors.New("closing a cell"), err)
	}
	return nil
}
