package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"runtimelab/lab/fault"
)

// engineUnits lists the engine's systemd units, in the order to stop them.
var engineUnits = []string{"docker.socket", "docker.service", "containerd.service"}

// noBridgeArgs start dockerd without a bridge network, for kernels that do not support it. Cells do
// not need one; builds use the host's network.
var noBridgeArgs = []string{"--bridge=none", "--iptables=false", "--ip6tables=false"}

const (
	startTimeout = time.Minute      // for a started engine to answer
	bootTimeout  = 10 * time.Second // for a running engine that does not answer yet
	stopTimeout  = 90 * time.Second // the engine stops its containers first
)

// Daemon starts and stops this machine's Docker engine. Up starts one if none answers; Down stops
// the one that Up started.
type Daemon struct {
	Log       io.Writer                       // progress, one line for each step
	Reachable func(ctx context.Context) error // returns nil if a usable engine answers
	Explicit  bool                            // the user chose the engine's address

	// PrivateDir is for tests. If set, the engine keeps its files in this folder, listens at
	// docker.sock in it, and shares nothing with the machine's engine.
	PrivateDir string

	run     runner
	inspect func(context.Context) machine
}

// Up makes sure that an engine answers. It uses a running engine as it is, and never replaces one
// that the user chose. Otherwise, as root on Debian or Ubuntu, it starts the installed engine, or
// installs the distribution's if the machine has no other container engine. It works without
// systemd, and on kernels without bridge support.
func (d Daemon) Up(ctx context.Context) error {
	d = d.withDefaults()
	cause := d.Reachable(ctx)
	if cause == nil {
		fmt.Fprintln(d.Log, "engine: already running, used as it is")
		return nil
	}
	if d.Explicit || ctx.Err() != nil {
		return cause
	}
	// As root, a dockerd that runs but does not answer may be starting: wait for it below.
	m := d.inspect(ctx)
	if _, err := m.planSteps(cause); err != nil && (!m.Root || m.DockerdPID == 0) {
		return err
	}
	unlock, err := d.state().lock(ctx, d.Log)
	if err != nil {
		return err
	}
	defer unlock()
	// The lock's previous holder may have started one, or one is starting.
	if cause = d.waitForEngine(ctx, bootTimeout, d.isRunning); cause == nil {
		fmt.Fprintln(d.Log, "engine: already running, used as it is")
		return nil
	}
	m = d.inspect(ctx)
	steps, err := m.planSteps(cause)
	if err != nil {
		return err
	}
	began := time.Now()
	for _, s := range steps {
		if err := d.runStep(ctx, s, m); err != nil {
			return err
		}
	}
	fmt.Fprintf(d.Log, "engine: running after %.0f s; make engine-down stops it\n", time.Since(began).Seconds())
	return nil
}

// withDefaults sets the functions that are nil.
func (d Daemon) withDefaults() Daemon {
	if d.run == nil {
		d.run = runCommand
	}
	if d.inspect == nil {
		d.inspect = func(ctx context.Context) machine {
			m := inspectMachine(ctx, d.run, d.pidFile())
			m.HasSystemd = m.HasSystemd && d.PrivateDir == "" // systemd manages the machine's engine only
			return m
		}
	}
	return d
}

func (d Daemon) state() stateDir {
	if d.PrivateDir != "" {
		return stateDir(filepath.Join(d.PrivateDir, "state"))
	}
	return defaultState
}

func (d Daemon) execRoot() string {
	if d.PrivateDir != "" {
		return filepath.Join(d.PrivateDir, "exec")
	}
	return "/var/run/docker"
}

func (d Daemon) pidFile() string {
	if d.PrivateDir != "" {
		return filepath.Join(d.PrivateDir, "docker.pid")
	}
	return "/var/run/docker.pid"
}

func (d Daemon) args() []string {
	if d.PrivateDir == "" {
		return nil
	}
	return append([]string{
		"--host=unix://" + filepath.Join(d.PrivateDir, "docker.sock"),
		"--data-root=" + filepath.Join(d.PrivateDir, "data"),
		"--exec-root=" + d.execRoot(),
		"--pidfile=" + d.pidFile(),
	}, noBridgeArgs...)
}

func (d Daemon) isRunning() bool { return pidFromFile(d.pidFile(), "dockerd") != 0 }

func (d Daemon) runStep(ctx context.Context, s step, m machine) error {
	switch s {
	case installEngine:
		apt := aptInstaller{log: d.Log, run: d.run, distribution: m.Distribution, root: m.Root, os: m.OS}
		return apt.install(ctx, []string{enginePackage})
	case startUnit:
		return d.startUnit(ctx, m)
	}
	return d.startProcess(ctx)
}

// startUnit starts the engine through systemd. It records the units that did not run before,
// because Down may stop only those.
func (d Daemon) startUnit(ctx context.Context, m machine) error {
	fmt.Fprintln(d.Log, "starting the engine: systemctl start docker.service")
	if err := d.state().write(startedEngine{At: time.Now(), Units: m.StoppedUnits}); err != nil {
		return err
	}
	out, err := d.run(ctx, nil, "systemctl", "start", "docker.service")
	if err == nil {
		err = d.waitForEngine(ctx, startTimeout, func() bool { return true })
	}
	if err == nil {
		return nil
	}
	journal, _ := d.run(context.WithoutCancel(ctx), nil, "journalctl", "-u", "docker.service", "-n", "200",
		"--no-pager", "-o", "cat")
	err = d.startError(ctx, err, out+journal)
	stopErr := d.stopUnits(context.WithoutCancel(ctx), m.StoppedUnits)
	if stopErr != nil || ctx.Err() != nil || !isBridgeFailure(journal) {
		return errors.Join(err, stopErr, d.state().remove())
	}
	fmt.Fprintln(d.Log,
		"the engine's service fails because the kernel has no bridge support: starting it without a bridge")
	return d.startProcess(ctx)
}

func (d Daemon) stopUnits(ctx context.Context, units []string) error {
	if len(units) == 0 {
		return nil
	}
	if out, err := d.run(ctx, nil, "systemctl", append([]string{"stop"}, units...)...); err != nil {
		return fmt.Errorf("stopping %s: %w\n%s", strings.Join(units, " "), err, lastLines(out, 10))
	}
	return nil
}

// startProcess starts dockerd detached from this process. If the kernel has no bridge support, it
// starts it again without a bridge.
func (d Daemon) startProcess(ctx context.Context) error {
	dockerd := findProgram("dockerd")
	if dockerd == "" {
		return errors.New("starting the engine: it is installed, but dockerd is not on the PATH")
	}
	log, err := d.launch(ctx, dockerd, d.args())
	if err != nil && ctx.Err() == nil && !slices.Contains(d.args(), noBridgeArgs[0]) && isBridgeFailure(log) {
		fmt.Fprintln(d.Log, "the kernel has no bridge support: starting the engine without a bridge; "+
			"builds use the host's network")
		_, err = d.launch(ctx, dockerd, append(d.args(), noBridgeArgs...))
	}
	if err != nil && ctx.Err() == nil && d.isRunning() {
		return d.adoptRunning(ctx)
	}
	return err
}

// adoptRunning waits for an engine that its package started during the installation, and records
// it. Init scripts do that on machines without systemd.
func (d Daemon) adoptRunning(ctx context.Context) error {
	p, err := findProcess(pidFromFile(d.pidFile(), "dockerd"), "dockerd")
	if err != nil {
		return err
	}
	fmt.Fprintf(d.Log, "the engine's package has started it: process %d\n", p.PID)
	if err := d.waitForEngine(ctx, startTimeout, d.isRunning); err != nil {
		return err
	}
	return d.state().write(startedEngine{At: time.Now(), Process: &p})
}

// launch starts dockerd and waits until it answers. If it does not, launch returns what dockerd
// printed.
func (d Daemon) launch(ctx context.Context, dockerd string, args []string) (printed string, err error) {
	if err := errors.Join(
		removeStalePIDFile(d.pidFile(), "dockerd"),
		removeStalePIDFile(filepath.Join(d.execRoot(), "containerd/containerd.pid"), "containerd"),
	); err != nil {
		return "", err
	}
	log, err := os.Create(d.state().log())
	if err != nil {
		return "", fmt.Errorf("creating the engine's log: %w", err)
	}
	defer log.Close()
	fmt.Fprintf(d.Log, "starting the engine: %s (log: %s)\n",
		strings.Join(append([]string{dockerd}, args...), " "), log.Name())
	cmd := exec.Command(dockerd, args...) // without ctx: it outlives this process
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", log, log
	cmd.SysProcAttr = d.detached()
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("starting %s: %w", dockerd, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the log has the reason
		close(ended)
	}()
	alive := func() bool {
		select {
		case <-ended:
			return false
		default:
			return true
		}
	}
	p, err := waitForName(ctx, cmd.Process.Pid, alive)
	if err == nil {
		err = d.state().write(startedEngine{At: time.Now(), Process: &p})
	}
	if err == nil {
		err = d.waitForEngine(ctx, startTimeout, alive)
	}
	if err == nil {
		return "", nil
	}
	if alive() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(stopTimeout):
			_ = cmd.Process.Kill()
		}
	}
	text, readErr := os.ReadFile(log.Name())
	return string(text), errors.Join(d.startError(ctx, err, string(text)), readErr,
		removeIfExists(d.state().recordFile()))
}

// waitForName waits until a process that was just started has dockerd's name instead of this
// program's.
func waitForName(ctx context.Context, pid int, alive func() bool) (process, error) {
	for {
		p, err := findProcess(pid, "dockerd")
		if err == nil || !alive() || ctx.Err() != nil {
			return p, err
		}
		time.Sleep(time.Millisecond)
	}
}

// waitForEngine waits until an engine answers, the timeout ends, or alive returns false. It returns
// the last error.
func (d Daemon) waitForEngine(ctx context.Context, timeout time.Duration, alive func() bool) error {
	deadline := time.Now().Add(timeout)
	for {
		err := d.Reachable(ctx)
		if err == nil || time.Now().After(deadline) || !alive() {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// startError returns why a started engine does not answer, with the end of its log. After an
// interrupt it returns the interrupt, because the engine has not failed.
func (d Daemon) startError(ctx context.Context, cause error, log string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("starting the engine: %w", context.Cause(ctx))
	}
	if f := (*fault.Error)(nil); errors.As(cause, &f) {
		cause = f.Err
	}
	return &fault.Error{
		Code: fault.ExitFailed,
		Err: fmt.Errorf("the engine was started but does not answer: %w; the end of its log:\n%s",
			cause, lastLines(log, 15)),
		Hint: startHint(log),
	}
}

// isBridgeFailure reports whether dockerd's log says that it ended because bridges do not work: the
// kernel has no netfilter, bridge or veth, a tool is missing, or a permission. Warnings do not
// count, because the engine may have failed for another reason.
func isBridgeFailure(log string) bool {
	for line := range strings.Lines(log) {
		if containsAny(line, "failed to start daemon", "Error starting daemon") &&
			containsAny(line, "initializing network controller", "iptables", "bridge") {
			return true
		}
	}
	return false
}

func startHint(log string) string {
	switch {
	case containsAny(log, "Devices cgroup isn't mounted", "cgroup mountpoint does not exist"):
		return "mount the cgroups (on Debian: apt-get install cgroupfs-mount && cgroupfs-mount), " +
			"then run make engine again"
	case containsAny(log, "failed to mount overlay", "driver not supported", "error initializing graphdriver"):
		return "the kernel or the file system does not support overlay: put {\"storage-driver\": \"vfs\"} in " +
			"/etc/docker/daemon.json, then run make engine again"
	case containsAny(log, "unable to configure the Docker daemon with file"):
		return "correct /etc/docker/daemon.json, then run make engine again"
	}
	return "fix what the log reports, then run make engine again; or set DOCKER_HOST to another engine"
}

func containsAny(text string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
}

// Down stops the engine that Up started, and deletes the record of it. It does nothing if Up
// started none. Packages and images stay.
func (d Daemon) Down(ctx context.Context) error {
	d = d.withDefaults()
	started, err := d.state().read()
	if err != nil {
		return err
	}
	if started == nil {
		fmt.Fprintln(d.Log, "engine: not started by the lab, nothing to stop")
		return nil
	}
	unlock, err := d.state().lock(ctx, d.Log)
	if errors.Is(err, os.ErrPermission) {
		return &fault.Error{
			Code: fault.ExitFailed, Err: fmt.Errorf("stopping the engine needs root: %w", err),
			Hint: "run: sudo make engine-down",
		}
	}
	if err != nil {
		return err
	}
	defer unlock()
	if started, err = d.state().read(); err != nil || started == nil {
		return err
	}
	switch {
	case started.Process == nil:
		fmt.Fprintf(d.Log, "stopping %s\n", strings.Join(started.Units, " "))
		err = d.stopUnits(ctx, started.Units)
	case !started.Process.isRunning("dockerd"):
		fmt.Fprintln(d.Log, "engine: the one that the lab started has already ended")
	default:
		fmt.Fprintf(d.Log, "stopping the engine, process %d\n", started.Process.PID)
		err = started.Process.terminate(ctx, "dockerd", stopTimeout)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(d.Log, "engine: stopped; packages and images are kept")
	return d.state().remove()
}
