// Package docker manages a Docker engine: it finds the engine, makes images, starts cells and
// servers, reads their resource usage, holds the measuring lock, and removes the containers of runs
// that have ended. No other package talks to Docker.
//
// Containers are created through testcontainers-go, without its reaper; other calls use the same
// client. Labels give each container's owner, run and role. Each run holds a lease: a container
// whose standard input the lab keeps open, so that it ends with the lab, even by kill -9. A run
// without a running lease is dead, and the next run removes its containers.
//
// Images are built by the classic builder, which every engine has. It commits one untagged image per
// step: RegisterImage makes an image of its result that does not depend on them.
//
// An error of the engine's API names the engine as its cause, unless the call's context has ended:
// see fault.During.
package docker

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

	"runtimelab/lab/engine"
	"runtimelab/lab/fault"
)

const (
	labelOwner  = "io.runtime-lab.owner"
	labelRun    = "io.runtime-lab.run"
	labelRole   = "io.runtime-lab.role"
	labelName   = "io.runtime-lab.name"   // of a service
	labelHolder = "io.runtime-lab.holder" // who holds the measuring lock, as text for the user

	owner = "runtime-lab"

	roleLease     = "lease"
	roleLock      = "lock"
	roleGenerator = "generator"
	roleVolumes   = "volumes" // never started; holds the volumes of an image
)

// Engine is a connection to one Docker engine.
type Engine struct {
	imageStore
	Address  Address
	client   *client.Client
	provider *testcontainers.DockerProvider
}

var _ engine.Engine = (*Engine)(nil)

// Open resolves the engine's address and connects to it.
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
	return &Engine{imageStore: imageStore{c}, Address: address, client: c, provider: provider}, nil
}

// CheckReachable returns an error unless an engine that the lab can use answers at the configured
// address.
func CheckReachable(ctx context.Context) error {
	address, err := Resolve()
	if err != nil {
		return err
	}
	c, err := Connect(ctx, address)
	if err != nil {
		return err
	}
	return errors.Join(c.Close(), address.Close())
}

// Location returns the engine's address and where it was configured, for people.
func (e *Engine) Location() string { return e.Address.Host + " (" + e.Address.Origin + ")" }

// Close closes the connection.
func (e *Engine) Close() error { return errors.Join(e.client.Close(), e.Address.Close()) }

// Local reports whether the engine's containers run on this machine, and so on the CPUs that this
// process sees.
func (e *Engine) Local() bool {
	return runtime.GOOS == "linux" && strings.HasPrefix(e.Address.Host, "unix://")
}

// Facts reads the engine's description.
func (e *Engine) Facts(ctx context.Context) (engine.Facts, error) {
	result, err := e.client.Info(ctx, client.InfoOptions{})
	if err != nil {
		err = fmt.Errorf("reading the description of the engine at %s: %w", e.Address.Host, err)
		return engine.Facts{}, fault.During(ctx, fault.Engine, err)
	}
	i := result.Info
	return engine.Facts{
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

// engineKind returns the name under which users know the engine. The lab measures on all of these;
// unsupportedReason names the others.
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

// CheckInRegistry returns nil if the engine can pull the image. It does not pull it.
func (e *Engine) CheckInRegistry(ctx context.Context, ref string) error {
	if _, err := e.client.DistributionInspect(ctx, ref, client.DistributionInspectOptions{}); err != nil {
		return fmt.Errorf("asking the registry for %s: %w", ref, err)
	}
	return nil
}

// logTail returns the last lines of a container's output, both streams together, at most 64 KiB.
func (e *Engine) logTail(ctx context.Context, id string, lines int) string {
	logs, err := e.client.ContainerLogs(ctx, id, client.ContainerLogsOptions{
		ShowStdout: true, ShowStderr: true, Tail: fmt.Sprint(lines),
	})
	if err != nil {
		return fmt.Sprintf("(its log cannot be read: %v)", err)
	}
	defer logs.Close()
	var text strings.Builder
	if err := demultiplex(&text, &text, io.LimitReader(logs, 64<<10)); err != nil && text.Len() == 0 {
		return fmt.Sprintf("(its log cannot be read: %v)", err)
	}
	return strings.TrimSpace(text.String())
}

// logLimits limits a container's log to 1 MB of the engine's disk.
func logLimits() container.LogConfig {
	return container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "1m", "max-file": "1"}}
}
