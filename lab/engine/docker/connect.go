package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"
	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"

	"runtimelab/lab/fault"
)

// minAPI is the API version of Docker 20.10, the oldest engine that the lab is tested on.
const minAPI = "1.41"

// Connect opens a client to the engine at an address, and returns an error with a hint if the lab
// cannot measure on that engine. For ssh and TLS it starts a tunnel, which runs until the address
// is closed.
func Connect(ctx context.Context, a Address) (*client.Client, error) {
	host := a.Host
	if a.tunnel != nil {
		var err error
		if host, err = a.tunnel.start(a); err != nil {
			return nil, fmt.Errorf("connecting to the engine at %s: %w", a.Host, err)
		}
	}
	c, err := client.New(client.WithHost(host), client.WithUserAgent("runtime-lab"))
	if err != nil {
		err = fmt.Errorf("creating a client for the engine at %s (%s): %w", a.Host, a.Origin, err)
		return nil, errors.Join(err, a.Close())
	}
	if err := checkEngine(ctx, a, c); err != nil {
		return nil, errors.Join(fault.During(ctx, fault.Engine, err), c.Close(), a.Close())
	}
	return c, nil
}

// checkEngine negotiates the API version and returns an error for engines on which figures would be
// wrong.
func checkEngine(ctx context.Context, a Address, c *client.Client) error {
	ping, err := c.Ping(ctx, client.PingOptions{})
	if err != nil {
		return unreachableError(ctx, a, err)
	}
	refuse := func(hint, format string, args ...any) error {
		return &fault.Error{
			Code: fault.ExitFailed,
			Err:  fmt.Errorf("the engine at %s (%s) %s", a.Host, a.Origin, fmt.Sprintf(format, args...)),
			Hint: hint,
		}
	}
	if ping.APIVersion != "" && versions.LessThan(ping.APIVersion, minAPI) {
		return refuse("update Docker to 20.10 or later, or set DOCKER_HOST to another engine",
			"has API %s; the lab needs %s, which came with Docker 20.10", ping.APIVersion, minAPI)
	}
	if _, err := c.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		return fmt.Errorf("negotiating an API version with the engine at %s: %w", a.Host, err)
	}
	version, err := c.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return fmt.Errorf("reading the version of the engine at %s: %w", a.Host, err)
	}
	info, err := c.Info(ctx, client.InfoOptions{})
	if err != nil {
		return fmt.Errorf("reading the features of the engine at %s: %w", a.Host, err)
	}
	if reason, hint := unsupportedReason(version, info.Info); reason != "" {
		return refuse(hint, "%s", reason)
	}
	return nil
}

// unsupportedReason returns why the lab cannot measure on an engine, and what to do; both are empty
// if it can.
func unsupportedReason(version client.ServerVersionResult, info system.Info) (reason, hint string) {
	isPodman := func(c system.ComponentVersion) bool { return strings.HasPrefix(c.Name, "Podman") }
	if slices.ContainsFunc(version.Components, isPodman) {
		return "is Podman, which the lab does not support",
			"set DOCKER_HOST or DOCKER_CONTEXT to a Docker engine"
	}
	if version.Os != "" && version.Os != "linux" {
		return fmt.Sprintf("runs %s containers; the lab needs Linux ones", version.Os),
			"switch Docker Desktop to Linux containers"
	}
	var missing []string
	for name, has := range map[string]bool{
		"cpusets": info.CPUSet, "memory limits": info.MemoryLimit, "pids limits": info.PidsLimit,
	} {
		if !has {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return "", ""
	}
	slices.Sort(missing)
	reason = "cannot set " + strings.Join(missing, ", ")
	if slices.Contains(info.SecurityOptions, "name=rootless") {
		return reason + ": it is rootless and does not have these cgroup controllers",
			"delegate cpuset, memory and pids to the user in systemd (Delegate=), or use a rootful engine"
	}
	return reason, "mount these cgroup controllers on the engine's host, and restart the engine"
}

// unreachableError returns the error for an engine that does not answer: the address that was
// tried, and the command to run.
func unreachableError(ctx context.Context, a Address, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("connecting to the engine at %s: %w", a.Host, cause)
	}
	if a.tunnel != nil {
		err = errors.Join(a.tunnel.lastError(), err)
	}
	return &fault.Error{
		Code: fault.ExitFailed,
		Err:  fmt.Errorf("no Docker engine answers at %s (%s): %w", a.Host, a.Origin, err),
		Hint: fixHint(a, err, runtime.GOOS, os.Geteuid() == 0),
	}
}

// fixHint returns what to do about an engine that does not answer.
func fixHint(a Address, err error, goos string, root bool) string {
	denied := errors.Is(err, fs.ErrPermission) ||
		strings.Contains(err.Error(), "permission denied while trying to connect")
	switch {
	case denied && strings.HasPrefix(a.Host, "unix://"):
		return "allow your user to use the engine's socket: sudo usermod -aG docker $USER, then log in again"
	case a.Explicit:
		return "start that engine, or choose another one: DOCKER_HOST, DOCKER_CONTEXT or docker context use"
	case goos == "darwin":
		return "start Docker Desktop"
	case root:
		return "run: make engine"
	}
	return "run: sudo make engine (Debian, Ubuntu), or start your engine: sudo systemctl start docker"
}

// providerMu allows only one Provider at a time to change the environment.
var providerMu sync.Mutex

// Provider returns testcontainers' provider for the client's engine, without its reaper, networks
// or output. The user's testcontainers settings (properties file and variables) do not apply: they
// could select another engine or other images.
//
// Testcontainers reads its settings from the environment, once in a process. Call Provider before
// anything else that uses testcontainers. It changes the environment while it runs, and restores
// it.
func Provider(ctx context.Context, a Address, c *client.Client) (*testcontainers.DockerProvider, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	providerMu.Lock()
	defer providerMu.Unlock()
	restore, err := overrideEnv(func(name string) bool {
		return strings.HasPrefix(name, "TESTCONTAINERS_") || strings.HasPrefix(name, "RYUK_") ||
			strings.HasPrefix(name, "DOCKER_")
	}, map[string]string{
		"TESTCONTAINERS_RYUK_DISABLED": "true",
		"DOCKER_HOST":                  c.DaemonHost(), // the tunnel's socket for ssh and TLS
		"HOME":                         os.DevNull,     // so that no properties file is found
	})
	defer restore()
	if err != nil {
		return nil, fmt.Errorf("preparing the environment of testcontainers: %w", err)
	}
	quiet := tclog.NewNoopLogger()
	tclog.SetDefault(quiet)
	provider, err := testcontainers.NewDockerProvider(
		testcontainers.WithDefaultBridgeNetwork("none"), testcontainers.WithLogger(quiet))
	if err != nil {
		return nil, fmt.Errorf("setting up testcontainers on the engine at %s: %w", a.Host, err)
	}
	provider.SetClient(noCloseClient{c})
	return provider, nil
}

// noCloseClient ignores Close. Testcontainers closes its client after each call, which breaks calls
// that are still running: a connection whose answer is just arriving counts as idle ("http:
// CloseIdleConnections called").
type noCloseClient struct{ client.APIClient }

func (noCloseClient) Close() error { return nil }

// overrideEnv clears the environment variables that match, sets others, and returns a function that
// restores all of them.
func overrideEnv(match func(name string) bool, values map[string]string) (restore func(), err error) {
	before := map[string]string{}
	restore = func() {
		for name := range values {
			_ = os.Unsetenv(name) // cannot fail: the name was set
		}
		for name, value := range before {
			_ = os.Setenv(name, value) // cannot fail: the variable existed
		}
	}
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		if _, replaced := values[name]; replaced || match(name) {
			before[name] = value
			err = errors.Join(err, os.Unsetenv(name))
		}
	}
	for name, value := range values {
		err = errors.Join(err, os.Setenv(name, value))
	}
	return restore, err
}

// detached keeps a terminal's Ctrl-C from a child process: the lab still needs the tunnel to clean
// up.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
