package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"golang.org/x/sync/errgroup"

	"runtimelab/lab"
	"runtimelab/lab/engine"
)

const (
	generatorMemory = 1 << 30
	leaseMemory     = 64 << 20

	// firstUnprivilegedPort is the first port on which every user may listen, by the kernel's default.
	firstUnprivilegedPort = 1024

	// spoolDir is the only folder that a generator may write to. It is in memory and holds recorded
	// hits.
	spoolDir  = "/spool"
	spoolSize = "size=768m,mode=0700,uid=65533,gid=65533"
)

// harden applies the settings of every container of a trial: read-only, without privileges, and
// with the same limits. nofile is the limit of open files; 0 leaves it to the engine.
func harden(h *container.HostConfig, nofile int) {
	h.ReadonlyRootfs = true
	h.CapDrop = []string{"ALL"}
	h.SecurityOpt = []string{"no-new-privileges"}
	h.PublishAllPorts = false
	h.RestartPolicy = container.RestartPolicy{Name: container.RestartPolicyDisabled}
	h.LogConfig = logLimits()
	limit := int64(engine.PidsLimit)
	h.PidsLimit = &limit
	if nofile > 0 {
		h.Ulimits = []*container.Ulimit{{Name: "nofile", Soft: int64(nofile), Hard: int64(nofile)}}
	}
}

// Cell is a network namespace with loopback only, and a process namespace. The generator's
// container owns both: its agent sees the services' threads, and the services end with it. Reads and
// writes go to the agent.
type Cell struct {
	io.ReadWriter
	run       *Run
	generator string
	stream    *attachedStreams
	services  []*Service
}

// Open starts a generator in a new cell, and the services of a request in their order. After each
// start it waits for awaitReady. After an error the cell, if it is not nil, holds what is open, and
// must be closed.
func (r *Run) Open(
	ctx context.Context, request lab.CellRequest,
	awaitReady func(context.Context, engine.Cell, lab.Service) error,
) (engine.Cell, error) {
	id, s, err := r.startAttached(ctx, roleGenerator, func(h *container.HostConfig) {
		h.Memory, h.MemorySwap = generatorMemory, generatorMemory
		h.CpusetCpus = lab.CPUList(request.Generator.Pinned)
		h.Tmpfs = map[string]string{spoolDir: spoolSize}
		h.Sysctls = cellSysctls(request.Services)
	})
	if err != nil {
		return nil, err
	}
	c := &Cell{ReadWriter: s, run: r, generator: id, stream: s}
	for _, spec := range request.Services {
		if err := c.start(ctx, spec); err != nil {
			return c, err
		}
		if err := awaitReady(ctx, c, spec); err != nil {
			return c, err
		}
	}
	return c, nil
}

// cellSysctls returns the kernel's settings in a cell with services.
func cellSysctls(services []lab.Service) map[string]string {
	sysctls := map[string]string{
		"net.core.somaxconn":           fmt.Sprint(engine.Somaxconn),
		"net.ipv4.ip_local_port_range": "1024 65535",
	}
	var reserved []string
	unprivileged := firstUnprivilegedPort
	for _, s := range services {
		reserved = append(reserved, fmt.Sprint(s.Port))
		unprivileged = min(unprivileged, s.Port)
	}
	// Otherwise a client that dials too early may get a service's port as its source port, connect
	// to itself, and block the port for the service.
	sysctls["net.ipv4.ip_local_reserved_ports"] = strings.Join(reserved, ",")
	if unprivileged < firstUnprivilegedPort { // engines differ in whether users other than root may listen there
		sysctls["net.ipv4.ip_unprivileged_port_start"] = fmt.Sprint(unprivileged)
	}
	return sysctls
}

// Services returns the services of the cell in the order in which they started.
func (c *Cell) Services() (all []engine.Service) {
	for _, s := range c.services {
		all = append(all, s)
	}
	return all
}

// AgentStderr returns the last 4 KiB of the agent's standard error.
func (c *Cell) AgentStderr() string { return c.stream.stderr.String() }

// ExitReason returns how the generator ended, with the agent's last output. It is empty while the
// generator runs, or if the engine cannot tell.
func (c *Cell) ExitReason(ctx context.Context) string {
	state, err := c.run.engine.containerState(ctx, c.generator)
	switch {
	case errdefs.IsNotFound(err):
		return fmt.Sprintf("the generator is gone: %v", err)
	case err != nil:
		return "" // no evidence that the generator ended
	}
	reason := exitReason(state, "the generator", generatorMemory)
	if stderr := strings.TrimSpace(c.AgentStderr()); reason != "" && stderr != "" {
		reason += "; its stderr: " + strings.ReplaceAll(stderr, "\n", " | ")
	}
	return reason
}

// exitReason returns how a container's process ended; empty while it runs. memory is its limit in
// bytes.
func exitReason(state *container.State, who string, memory int64) string {
	switch {
	case state.OOMKilled:
		return fmt.Sprintf("%s was killed for memory (limit %d MiB)", who, memory>>20)
	case !state.Running:
		return fmt.Sprintf("%s exited with code %d", who, state.ExitCode)
	}
	return ""
}

// Close removes the generator's container and those of the services, all at once.
func (c *Cell) Close(ctx context.Context) error {
	_ = c.stream.Close() // ends the agent; the container is removed anyway
	var all errgroup.Group
	all.Go(func() error { return c.run.engine.remove(ctx, c.generator) })
	for _, s := range c.services {
		all.Go(func() error { return c.run.engine.remove(ctx, s.grant.ContainerID) })
	}
	if err := all.Wait(); err != nil {
		return errors.Join(errors.New("closing a cell"), err)
	}
	return nil
}
