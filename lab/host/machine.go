package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"runtimelab/lab/fault"
)

// machine holds what planSteps decides from: system, rights, and which engines are installed or
// running.
type machine struct {
	OS           string // as Go names it
	Root         bool
	Distribution distribution
	Dockerd      string   // path of the engine's binary, or empty
	HasSystemd   bool     // systemd is the init system
	HasUnit      bool     // systemd has a unit for the engine
	OtherEngines []string // other container software: "package podman", "/usr/bin/containerd"
	DockerdPID   int      // process id of a running dockerd, or 0
	StoppedUnits []string // the engine's units that do not run
}

// step is one action on the way to a running engine.
type step string

const (
	installEngine step = "install the distribution's engine"
	startUnit     step = "start the engine's unit"
	startProcess  step = "start the engine"
)

// enginePackage is the package of the engine in Debian and Ubuntu.
const enginePackage = "docker.io"

// containerPackages lists packages that conflict with the distribution's engine, or that the lab
// does not install an engine beside.
var containerPackages = []string{
	"docker.io", "docker-ce", "docker-engine", "docker-ee", "docker-desktop", "moby-engine", "docker",
	"containerd", "containerd.io", "moby-containerd", "podman", "podman-docker",
}

// planSteps returns the steps to a running engine, or why the lab cannot take them. cause is the
// error that shows that no engine answers.
func (m machine) planSteps(cause error) ([]step, error) {
	switch {
	case m.OS == "darwin":
		return nil, refusalFault(cause,
			"start Docker Desktop, then run this again",
			"the lab does not start engines on macOS")
	case m.OS != "linux" || !m.Distribution.usesApt():
		hint := "install Docker with your distribution's package manager, then start it: systemctl start docker"
		if m.Dockerd != "" {
			hint = "run: sudo systemctl start docker"
		}
		return nil, refusalFault(cause, hint, "the lab installs and starts engines on Debian and Ubuntu only")
	case !m.Root:
		return nil, refusalFault(cause,
			"run: sudo make engine; if an engine runs, allow your user to use it: sudo usermod -aG docker "+
				"$USER, then log in again",
			"the lab installs and starts engines as root only")
	case m.DockerdPID != 0:
		return nil, refusalFault(cause,
			fmt.Sprintf("see its log; or stop it (kill %d), then run make engine", m.DockerdPID),
			"dockerd runs as process %d but cannot be used", m.DockerdPID)
	case m.Dockerd != "" && m.HasSystemd && m.HasUnit:
		return []step{startUnit}, nil
	case m.Dockerd != "":
		return []step{startProcess}, nil
	case len(m.OtherEngines) > 0:
		return nil, refusalFault(cause,
			"start that engine, install Docker beside it yourself, or set DOCKER_HOST to another engine",
			"another container engine is installed (%s); the lab does not install Docker beside it",
			strings.Join(m.OtherEngines, ", "))
	case m.HasSystemd:
		return []step{installEngine, startUnit}, nil
	}
	return []step{installEngine, startProcess}, nil
}

// refusalFault joins the cause with the reason why the lab does not start an engine. It drops the
// cause's hint, which says to run the command that has just refused.
func refusalFault(cause error, hint, format string, args ...any) error {
	if f := (*fault.Error)(nil); errors.As(cause, &f) {
		cause = f.Err
	}
	return &fault.Error{
		Code: fault.ExitFailed, Err: fmt.Errorf("%w; %s", cause, fmt.Sprintf(format, args...)),
		Hint: hint,
	}
}

// inspectMachine reads the state of this machine. pidFile is where a running dockerd writes its
// process id.
func inspectMachine(ctx context.Context, run runner, pidFile string) machine {
	m := machine{
		OS: runtime.GOOS, Root: os.Geteuid() == 0, Distribution: thisDistribution(),
		Dockerd: findProgram("dockerd"),
	}
	if m.OS != "linux" {
		return m
	}
	m.DockerdPID = pidFromFile(pidFile, "dockerd")
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		m.HasSystemd = true
		_, err := run(ctx, nil, "systemctl", "cat", "docker.service")
		m.HasUnit = err == nil
		for _, unit := range engineUnits {
			if _, err := run(ctx, nil, "systemctl", "is-active", "--quiet", unit); err != nil {
				m.StoppedUnits = append(m.StoppedUnits, unit)
			}
		}
	}
	// The docker command is only a client, so it does not count.
	for _, program := range []string{"containerd", "podman"} {
		if path := findProgram(program); path != "" {
			m.OtherEngines = append(m.OtherEngines, path)
		}
	}
	if _, err := os.Stat("/snap/docker"); err == nil {
		m.OtherEngines = append(m.OtherEngines, "snap docker")
	}
	if m.Distribution.usesApt() {
		for _, name := range containerPackages {
			if isPackageInstalled(ctx, run, name) {
				m.OtherEngines = append(m.OtherEngines, "package "+name)
			}
		}
	}
	return m
}

// findProgram looks for a program on the PATH, then in the system folders, which a user's PATH
// often misses. It returns "" if there is none.
func findProgram(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	return ""
}
