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

	"runtimelab/lab"
)

// engineUnits are systemd's units of an engine, in the order to stop them.
var engineUnits = []string{"docker.socket", "docker.service", "containerd.service"}

// noBridgeArgs makes an engine do without what the kernel may lack for
// bridges. Cells have loopback only and miss nothing; builds use the host's
// network.
var noBridgeArgs = []string{"--bridge=none", "--iptables=false", "--ip6tables=false"}

const (
	startTimeout = time.Minute      // until an engine that was started answers
	bootTimeout  = 10 * time.Second // for one that runs but does not answer yet
	stopTimeout  = 90 * time.Second // an engine stops its containers first
)

// Daemon is this machine's engine. Up makes one run where none answers; Down
// stops what Up started.
type Daemon struct {
	Log       io.Writer                       // progress, in lines
	Reachable func(ctx context.Context) error // nil when an engine that can be used answers
	Explicit  bool                            // the user chose the engine's address

	// PrivateDir, if not empty, is a folder for an engine that shares nothing
	// with this machine's own, and listens at docker.sock in it. For tests.
	PrivateDir string

	run     runner
	inspect func(context.Context) machine
}

// Up returns when an engine answers. One that answers already is used as it
// is, and one that the user chose is never replaced by another. Otherwise, as
// root on Debian or Ubuntu, it starts the engine that is installed, or
// installs the distribution's where nothing else runs containers, also
// without systemd and where the kernel lacks what bridges need.
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
	// A dockerd that runs may be starting, which is for root to wait for.
	m := d.inspect(ctx)
	if _, err := m.planSteps(cause); err != nil && (!m.Root || m.DockerdPID == 0) {
		return err
	}
	unlock, err := d.state().lock(ctx, d.Log)
	if err != nil {
		return err
	}
	defer unlock()
	// Whoever held the lock may have done it, or an engine is starting.
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

// withDefaults fills in what was left out.
func (d Daemon) withDefaults() Daemon {
	if d.run == nil {
		d.run = runCommand
	}
	if d.inspect == nil {
		d.inspect = func(ctx context.Context) machine {
			m := inspectMachine(ctx, d.run, d.pidFile())
			m.HasSystemd = m.HasSystemd && d.PrivateDir == "" // systemd knows one engine only
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
		"--host=unix://" + filepath.Join(d.PrivateDir, "docker.sock"), "--data-root=" + filepath.Join(d.PrivateDir,
			"data"),
		"--exec-root=" + d.execRoot(), "--pidfile=" + d.pidFile(),
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

// startUnit starts the engine by systemd. Units that ran before are not the
// lab's to stop.
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
	if stopErr := d.stopUnits(context.WithoutCancel(ctx),
		m.StoppedUnits); stopErr != nil || ctx.Err() != nil || !isBridgeFailure(journal) {
		return errors.Join(err, stopErr, d.state().remove())
	}
	fmt.Fprintln(d.Log, "the engine's unit fails for what the kernel lacks: starting the engine without it")
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

// startProcess starts dockerd detached from this process, and once more
// without bridges where the kernel lacks what they need.
func (d Daemon) startProcess(ctx context.Context) error {
	dockerd := findProgram("dockerd")
	if dockerd == "" {
		return errors.New("starting the engine: it is installed, but there is no dockerd on the PATH")
	}
	log, err := d.launch(ctx, dockerd, d.args())
	if err != nil && ctx.Err() == nil && !slices.Contains(d.args(), noBridgeArgs[0]) && isBridgeFailure(log) {
		fmt.Fprintln(d.Log,
			"the kernel lacks what bridges need: starting the engine without them; builds will use the host's network")
		_, err = d.launch(ctx, dockerd, append(d.args(), noBridgeArgs...))
	}
	if err != nil && ctx.Err() == nil && d.isRunning() {
		return d.adoptRunning(ctx)
	}
	return err
}

// adoptRunning takes over an engine whose package has started it while it was
// installed, as init scripts do where there is no systemd.
func (d Daemon) adoptRunning(ctx context.Context) error {
	p, err := findProcess(pidFromFile(d.pidFile(), "dockerd"), "dockerd")
	if err != nil {
		return err
	}
	fmt.Fprintf(d.Log, "its package has started the engine, process %d\n", p.PID)
	if err := d.waitForEngine(ctx, startTimeout, d.isRunning); err != nil {
		return err
	}
	return d.state().write(startedEngine{At: time.Now(), Process: &p})
}

// launch starts dockerd and waits until it answers. It returns what dockerd
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
		return "", fmt.Errorf("making the engine's log: %w", err)
	}
	defer log.Close()
	fmt.Fprintf(d.Log, "starting the engine: %s (log: %s)\n",
		strings.Join(append([]string{dockerd}, args...), " "), log.Name())
	cmd := exec.Command(dockerd, args...) // it outlives this process, so no context ends it
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", log, log
	cmd.SysProcAttr = d.detached()
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("starting %s: %w", dockerd, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // why it ended is in its log
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

// waitForName waits until a process that was just started bears dockerd's
// name instead of this program's.
func waitForName(ctx context.Context, pid int, alive func() bool) (process, error) {
	for {
		p, err := findProcess(pid, "dockerd")
		if err == nil || !alive() || ctx.Err() != nil {
			return p, err
		}
		time.Sleep(time.Millisecond)
	}
}

// waitForEngine waits until an engine answers, as long as there is hope.
func (d Daemon) waitForEngine(ctx context.Context, patience time.Duration, hope func() bool) error {
	deadline := time.Now().Add(patience)
	for {
		err := d.Reachable(ctx)
		if err == nil || time.Now().After(deadline) || !hope() {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// startError says why an engine that was started does not answer, with the end of
// its log; one that was not waited for to the end has not failed.
func (d Daemon) startError(ctx context.Context, cause error, log string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("starting the engine: %w", context.Cause(ctx))
	}
	if f := (*lab.Fault)(nil); errors.As(cause, &f) {
		cause = f.Err
	}
	return &lab.Fault{
		Code: lab.ExitFailed,
		Err: fmt.Errorf("the engine was started and does not answer: %w; the end of its log:\n%s", cause,
			lastLines(log, 15)),
		Hint: hintFor(log),
	}
}

// isBridgeFailure tells from an engine's log that it ended for want of what
// bridges need: the kernel's netfilter, bridge or veth, the tools for them, or
// the right to use them. Warnings about these in an engine that failed for
// another reason do not count.
func isBridgeFailure(log string) bool {
	for line := range strings.Lines(log) {
		if containsAny(line, "failed to start daemon", "Error starting daemon") &&
			containsAny(line, "initializing network controller", "iptables", "bridge") {
			return true
		}
	}
	return false
}

func hintFor(log string) string {
	switch {
	case containsAny(log, "Devices cgroup isn't mounted", "cgroups: cgroup mountpoint does not exist",
		"cgroup mountpoint does not exist"):
		return "mount the cgroups, on Debian: apt-get install cgroupfs-mount && cgroupfs-mount; then run make " +
			"engine again"
	case containsAny(log, "failed to mount overlay", "driver not supported", "error initializing graphdriver"):
		return "the kernel or the file system has no overlay: put {\"storage-driver\": \"vfs\"} in " +
			"/etc/docker/daemon.json; then run make engine again"
	case containsAny(log, "unable to configure the Docker daemon with file"):
		return "correct /etc/docker/daemon.json; then run make engine again"
	}
	return "put right what the log says, then run make engine again; or name another engine with DOCKER_HOST"
}

func containsAny(text string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
}

// Down stops the engine that Up started and forgets it. Where Up started none
// there is nothing to do. Packages stay.
func (d Daemon) Down(ctx context.Context) error {
	d = d.withDefaults()
	what, err := d.state().read()
	if err != nil {
		return err
	}
	if what == nil {
		fmt.Fprintln(d.Log, "engine: the lab started none, so there is nothing to stop")
		return nil
	}
	unlock, err := d.state().lock(ctx, d.Log)
	if errors.Is(err, os.ErrPermission) {
		return &lab.Fault{
			Code: lab.ExitFailed, Err: fmt.Errorf("stopping the engine takes root: %w", err),
			Hint: "run: sudo make engine-down",
		}
	}
	if err != nil {
		return err
	}
	defer unlock()
	if what, err = d.state().read(); err != nil || what == nil {
		return err
	}
	switch {
	case what.Process == nil:
		fmt.Fprintf(d.Log, "stopping %s\n", strings.Join(what.Units, " "))
		err = d.stopUnits(ctx, what.Units)
	case !what.Process.isRunning("dockerd"):
		fmt.Fprintln(d.Log, "engine: what the lab started has ended already")
	default:
		fmt.Fprintf(d.Log, "stopping the engine, process %d\n", what.Process.PID)
		err = what.Process.terminate(ctx, "dockerd", stopTimeout)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(d.Log, "engine: stopped; its packages and images stay")
	return d.state().remove()
}
