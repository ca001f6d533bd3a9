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

	"runtimelab/lab"
)

// machine is what the decision how to get an engine rests on.
type machine struct {
	OS           string // as Go names it
	Root         bool
	Distribution distribution
	Dockerd      string   // path of the engine's binary, empty where there is none
	HasSystemd   bool     // systemd runs this machine
	HasUnit      bool     // and has a unit for the engine
	OtherEngines []string // what else runs containers here: "package podman", "/usr/bin/containerd"
	DockerdPID   int      // process id of a dockerd, 0 where none runs
	StoppedUnits []string // units of the engine that do not run
}

// step is one thing to do until an engine runs.
type step string

const (
	installEngine step = "install the distribution's engine"
	startUnit     step = "start the engine's unit"
	startProcess  step = "start the engine"
)

// enginePackage is the distribution's engine, on Debian and Ubuntu alike.
const enginePackage = "docker.io"

// containerPackages are what an installation of the distribution's engine
// would collide with, or stand beside, whatever their origin.
var containerPackages = []string{
	"docker.io", "docker-ce", "docker-engine", "docker-ee", "docker-desktop", "moby-engine", "docker",
	"containerd", "containerd.io", "moby-containerd", "podman", "podman-docker",
}

// planSteps says what to do on a machine where no engine answers; cause is how
// that came out.
func (m machine) planSteps(cause error) ([]step, error) {
	switch {
	case m.OS == "darwin":
		return nil, refusal(cause, "start Docker Desktop, then run this again", "the lab starts no engine on macOS")
	case m.OS != "linux" || !m.Distribution.usesApt():
		hint := "install Docker by your distribution's means and start it: systemctl start docker"
		if m.Dockerd != "" {
			hint = "run: sudo systemctl start docker"
		}
		return nil, refusal(cause, hint, "the lab installs and starts an engine on Debian and Ubuntu only")
	case !m.Root:
		return nil, refusal(cause,
			"run: sudo make engine; where one runs, you may lack the right to use it: sudo usermod -aG docker "+
				"$USER, then log in again",
			"the lab installs and starts an engine as root only")
	case m.DockerdPID != 0:
		return nil, refusal(cause,
			fmt.Sprintf("see its log; once it is stopped (kill %d), make engine starts it anew", m.DockerdPID),
			"dockerd runs as process %d but cannot be used", m.DockerdPID)
	case m.Dockerd != "" && m.HasSystemd && m.HasUnit:
		return []step{startUnit}, nil
	case m.Dockerd != "":
		return []step{startProcess}, nil
	case len(m.OtherEngines) > 0:
		return nil, refusal(cause,
			"start that engine, or install Docker beside it yourself, or name an engine elsewhere with DOCKER_HOST",
			"the lab installs no engine beside what runs containers here already (%s)", strings.Join(m.OtherEngines,
				", "))
	case m.HasSystemd:
		return []step{installEngine, startUnit}, nil
	}
	return []step{installEngine, startProcess}, nil
}

// refusal is a fault for the user. The hint of the cause is left out: it says
// how to get here.
func refusal(cause error, hint, format string, args ...any) error {
	if f := (*lab.Fault)(nil); errors.As(cause, &f) {
		cause = f.Err
	}
	return &lab.Fault{
		Code: lab.ExitFailed, Err: fmt.Errorf("%w; %s", cause, fmt.Sprintf(format, args...)),
		Hint: hint,
	}
}

// inspectMachine looks at the machine. pidFile is where a dockerd that runs says
// so.
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
	// The docker command alone is a client, not an engine.
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

// findProgram looks on the PATH and where daemons lie: a user's PATH often
// lacks these.
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
