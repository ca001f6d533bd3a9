// Package engine owns everything that the lab does with a Docker engine:
// finding it, the cells and the server containers of a run, what the engine
// accounts to them, the measuring lock, and leaving nothing behind.
//
// Containers are created through testcontainers-go, on one provider with its
// reaper off; whatever it does not cover goes through the same client. Every
// container carries labels with its owner, run and role. A run holds a lease:
// a container whose standard input the lab keeps open and which therefore
// ends with the lab, even by kill -9. A run without a running lease is dead,
// and whoever comes next sweeps what it left.
package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

const (
	labelOwner  = "io.runtime-lab.owner"
	labelRun    = "io.runtime-lab.run"
	labelRole   = "io.runtime-lab.role"
	labelHolder = "io.runtime-lab.holder" // who holds the measuring lock, in words

	owner = "runtime-lab"

	roleLease     = "lease"
	roleLock      = "lock"
	roleGenerator = "generator"
	roleServer    = "server"
	roleVolumes   = "volumes" // never started: has the volumes of an image
)

// Engine is a connection to one Docker engine.
type Engine struct {
	Address  Address
	client   *client.Client
	provider *testcontainers.DockerProvider
}

// Open finds the engine and connects to it, in the way of Resolve.
func Open(ctx context.Context) (*Engine, error) {
	address, err := Resolve()
	if err != nil {
		return nil, err
	}
	c, err := Connect(ctx, address)
	if err != nil {
		return nil, err
	}
	provider, err := Provider(ctx, address, c)
	if err != nil {
		return nil, errors.Join(err, c.Close(), address.Close())
	}
	return &Engine{Address: address, client: c, provider: provider}, nil
}

// Client is the engine's API, for what other packages build on it.
func (e *Engine) Client() *client.Client { return e.client }

// Close ends the connection.
func (e *Engine) Close() error { return errors.Join(e.client.Close(), e.Address.Close()) }

// Local reports whether the engine's containers run on this very machine, so
// that its cores are this process's cores too.
func (e *Engine) Local() bool {
	return runtime.GOOS == "linux" && strings.HasPrefix(e.Address.Host, "unix://")
}

// Facts is what an engine says of itself and its host.
type Facts struct {
	Kind          string `json:"kind"` // whose: "Docker", "Docker Desktop", "Colima", "rootless Docker" ...
	Version       string `json:"version"`
	API           string `json:"api"` // as negotiated
	CgroupVersion string `json:"cgroup_version"`
	OS            string `json:"os"`
	Kernel        string `json:"kernel"`
	Arch          string `json:"arch"`
	CPUs          int    `json:"cpus"`
	MemoryBytes   int64  `json:"memory_bytes"`
	Storage       string `json:"storage"`
	Init          string `json:"init"`
}

// Facts asks the engine what it is.
func (e *Engine) Facts(ctx context.Context) (Facts, error) {
	result, err := e.client.Info(ctx, client.InfoOptions{})
	if err != nil {
		return Facts{}, fmt.Errorf("asking the engine at %s what it is: %w", e.Address.Host, err)
	}
	i := result.Info
	return Facts{
		Kind:          engineKind(e.Address, i),
		Version:       i.ServerVersion,
		API:           e.client.ClientVersion(),
		CgroupVersion: i.CgroupVersion,
		OS:            i.OperatingSystem,
		Kernel:        i.KernelVersion,
		Arch:          i.Architecture,
		CPUs:          i.NCPU,
		MemoryBytes:   i.MemTotal,
		Storage:       i.Driver,
		Init:          i.InitBinary,
	}, nil
}

// engineKind names an engine as people know it. The lab measures on all of these; what it
// refuses, unfit names.
func engineKind(a Address, i system.Info) string {
	switch {
	case strings.Contains(i.OperatingSystem, "Docker Desktop"):
		return "Docker Desktop"
	case i.Name == "colima" || strings.Contains(a.Host, "/.colima/"):
		return "Colima"
	case slices.Contains(i.SecurityOptions, "name=rootless"):
		return "rootless Docker"
	case strings.Contains(strings.ToLower(i.KernelVersion), "microsoft"):
		return "Docker on WSL2"
	}
	return "Docker"
}

// CheckInRegistry asks the registry of an image, by way of the engine, whether the
// image is to be had. It pulls nothing.
func (e *Engine) CheckInRegistry(ctx context.Context, ref string) error {
	if _, err := e.client.DistributionInspect(ctx, ref, client.DistributionInspectOptions{}); err != nil {
		return fmt.Errorf("asking the registry for %s: %w", ref, err)
	}
	return nil
}

// logTail reads at most the last lines of a container's output, both streams
// together.
func (e *Engine) logTail(ctx context.Context, id string, lines int) string {
	logs, err := e.client.ContainerLogs(ctx, id, client.ContainerLogsOptions{
		ShowStdout: true, ShowStderr: true, Tail: fmt.Sprint(lines),
	})
	if err != nil {
		return fmt.Sprintf("(its log could not be read: %v)", err)
	}
	defer logs.Close()
	var text strings.Builder
	if err := demultiplex(&text, &text, io.LimitReader(logs, 64<<10)); err != nil && text.Len() == 0 {
		return fmt.Sprintf("(its log could not be read: %v)", err)
	}
	return strings.TrimSpace(text.String())
}

// logLimits keeps what a container prints from filling the engine's disk.
func logLimits() container.LogConfig {
	return container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "1m", "max-file": "1"}}
}
