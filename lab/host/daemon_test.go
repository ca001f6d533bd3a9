package host

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"runtimelab/lab/fault"
)

var errNoAnswer = &fault.Error{
	Code: fault.ExitFailed, Err: errors.New("no Docker engine answers"),
	Hint: "run: make engine",
}

// untouched returns a runner and an inspection that fail the test if they are called.
func untouched(t *testing.T) (runner, func(context.Context) machine) {
	return (&fakeRunner{t: t}).run, func(context.Context) machine {
		t.Error("the machine was inspected")
		return machine{}
	}
}

func TestUpUsesARunningEngine(t *testing.T) {
	run, inspect := untouched(t)
	var log bytes.Buffer
	d := Daemon{Log: &log, Reachable: func(context.Context) error { return nil }, run: run, inspect: inspect}
	if err := d.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "already running") {
		t.Errorf("printed %q", log.String())
	}
}

func TestUpNeverReplacesTheUsersChoice(t *testing.T) {
	run, inspect := untouched(t)
	d := Daemon{
		Log: io.Discard, Explicit: true, Reachable: func(context.Context) error { return errNoAnswer },
		run: run, inspect: inspect,
	}
	if err := d.Up(t.Context()); !errors.Is(err, errNoAnswer) {
		t.Errorf("error is %v", err)
	}
}

func TestUpRefusesBeforeItChangesAnything(t *testing.T) {
	private := t.TempDir()
	d := Daemon{
		Log: io.Discard, PrivateDir: private, Reachable: func(context.Context) error { return errNoAnswer },
		inspect: func(context.Context) machine {
			return machine{OS: "linux", Root: true, Distribution: debian, OtherEngines: []string{"package podman"}}
		},
	}
	if err := d.Up(t.Context()); err == nil || !strings.Contains(err.Error(), "podman") {
		t.Errorf("error is %v", err)
	}
	if remaining, _ := os.ReadDir(private); len(remaining) > 0 {
		t.Errorf("created %v", remaining)
	}
}

// Down must stop the units that did not run before Up, and no others.
func TestUpAndDownWithSystemd(t *testing.T) {
	r := &fakeRunner{t: t, answers: map[string]answer{"systemctl start": {}, "systemctl stop": {}}}
	d := Daemon{
		Log: io.Discard, PrivateDir: t.TempDir(),
		Reachable: func(context.Context) error {
			if slices.Contains(r.commands, "systemctl start docker.service") {
				return nil
			}
			return errNoAnswer
		},
		run: r.run,
		inspect: func(context.Context) machine {
			return machine{
				OS: "linux", Root: true, Distribution: ubuntu, Dockerd: "/usr/bin/dockerd",
				HasSystemd: true, HasUnit: true, StoppedUnits: []string{"docker.socket", "docker.service"},
			}
		},
	}
	for range 2 { // the second time it runs already
		if err := d.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time there is nothing to stop
		if err := d.Down(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"systemctl start docker.service", "systemctl stop docker.socket docker.service"}
	if !slices.Equal(r.commands, want) {
		t.Errorf("ran %q, want %q", r.commands, want)
	}
}

func TestUpReportsAUnitThatFailsAndStopsIt(t *testing.T) {
	r := &fakeRunner{t: t, answers: map[string]answer{
		"systemctl start": {"Job failed.", errors.New("exit status 1")}, "systemctl stop": {},
		"journalctl": {out: "failed to start daemon: Devices cgroup isn't mounted\n"},
	}}
	d := Daemon{
		Log: io.Discard, PrivateDir: t.TempDir(), run: r.run,
		Reachable: func(context.Context) error { return errNoAnswer },
		inspect: func(context.Context) machine {
			return machine{
				OS: "linux", Root: true, Distribution: ubuntu, Dockerd: "/usr/bin/dockerd",
				HasSystemd: true, HasUnit: true, StoppedUnits: []string{"docker.service"},
			}
		},
	}
	err := d.Up(t.Context())
	var userErr *fault.Error
	if !errors.As(err, &userErr) || !strings.Contains(userErr.Err.Error(), "Devices cgroup isn't mounted") ||
		!strings.Contains(userErr.Hint, "cgroupfs-mount") {
		t.Errorf("error is %v", err)
	}
	if !slices.Contains(r.commands, "systemctl stop docker.service") {
		t.Errorf("ran %q: the unit was not stopped again", r.commands)
	}
	var log bytes.Buffer
	d.Log = &log
	if err := d.Down(t.Context()); err != nil || !strings.Contains(log.String(), "nothing to stop") {
		t.Errorf("down after a failure: %v, %q", err, log.String())
	}
}

// After an interrupt, Up must not report that the engine does not answer.
func TestUpReportsAnInterrupt(t *testing.T) {
	interrupted := &fault.Error{Code: fault.ExitInterrupted, Err: errors.New("interrupted")}
	ctx, interrupt := context.WithCancelCause(t.Context())
	r := &fakeRunner{
		t:       t,
		answers: map[string]answer{"systemctl start": {}, "systemctl stop": {}, "journalctl": {}},
	}
	d := Daemon{
		Log: io.Discard, PrivateDir: t.TempDir(), run: r.run,
		Reachable: func(context.Context) error {
			if slices.Contains(r.commands, "systemctl start docker.service") {
				interrupt(interrupted)
			}
			return errNoAnswer
		},
		inspect: func(context.Context) machine {
			return machine{
				OS: "linux", Root: true, Distribution: ubuntu, Dockerd: "/usr/bin/dockerd",
				HasSystemd: true, HasUnit: true, StoppedUnits: []string{"docker.service"},
			}
		},
	}
	err := d.Up(ctx)
	if fault.ExitCode(err) != fault.ExitInterrupted || strings.Contains(err.Error(), "does not answer") {
		t.Errorf("exit code %d, %v", fault.ExitCode(err), err)
	}
	if !slices.Contains(r.commands, "systemctl stop docker.service") {
		t.Errorf("ran %q: the unit was not stopped again", r.commands)
	}
}

func TestIsBridgeFailure(t *testing.T) {
	for log, want := range map[string]bool{
		"failed to start daemon: Error initializing network controller: error obtaining controller instance: " +
			"failed to create NAT chain DOCKER: iptables failed: iptables -t nat -N DOCKER: Permission denied (you " +
			"must be root)": true,
		"failed to start daemon: Error initializing network controller: failed to register \"bridge\" driver: " +
			"failed to create NAT chain DOCKER: Iptables not found": true,
		"failed to start daemon: Error initializing network controller: Error creating default \"bridge\" " +
			"network: operation not supported": true,
		"level=warning msg=\"Running modprobe bridge br_netfilter failed\"\nfailed to start daemon: Devices " +
			"cgroup isn't mounted": false,
		"failed to start daemon: error initializing graphdriver: driver not supported": false,
		"": false,
	} {
		if got := isBridgeFailure(log); got != want {
			t.Errorf("isBridgeFailure(%q) = %v, want %v", log, got, want)
		}
	}
}

func TestDownStopsNoOtherProcess(t *testing.T) {
	bystander := exec.Command("sleep", "60")
	if err := bystander.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bystander.Process.Kill(); _ = bystander.Wait() })
	now, err := findProcess(bystander.Process.Pid, "sleep")
	if err != nil {
		t.Fatal(err)
	}
	for name, recorded := range map[string]process{
		"another program has the id":        now,
		"the id belongs to a later dockerd": {PID: now.PID, Started: now.Started - 1},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			d := Daemon{Log: &log, PrivateDir: t.TempDir()}
			if err := os.MkdirAll(string(d.state()), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := d.state().write(startedEngine{Process: &recorded}); err != nil {
				t.Fatal(err)
			}
			if err := d.Down(t.Context()); err != nil || !strings.Contains(log.String(), "already ended") {
				t.Errorf("%v, %q", err, log.String())
			}
			if !now.isRunning("sleep") {
				t.Error("the bystander was stopped")
			}
			if started, err := d.state().read(); started != nil || err != nil {
				t.Errorf("the record still exists: %+v, %v", started, err)
			}
		})
	}
	if (process{PID: now.PID, Started: now.Started - 1}).isRunning("sleep") {
		t.Error("a later process with the same id and name is mistaken for the first")
	}
}

func TestRemoveStalePIDFile(t *testing.T) {
	self := processName(t)
	for name, test := range map[string]struct {
		pid   int
		stays bool
	}{
		"a process that ended": {pid: 1 << 30},
		"another program":      {pid: os.Getppid()},
		"the program itself":   {pid: os.Getpid(), stays: true},
	} {
		file := filepath.Join(t.TempDir(), "docker.pid")
		if err := os.WriteFile(file, []byte(strconv.Itoa(test.pid)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := removeStalePIDFile(file, self); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(file); (err == nil) != test.stays {
			t.Errorf("%s: the file exists: %v, want %v", name, err == nil, test.stays)
		}
	}
	if err := removeStalePIDFile(filepath.Join(t.TempDir(), "none"), self); err != nil {
		t.Error(err)
	}
}

func processName(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func TestLockAllowsOneHolder(t *testing.T) {
	s := stateDir(t.TempDir())
	unlock, err := s.lock(t.Context(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
	defer cancel()
	var log bytes.Buffer
	_, err = s.lock(ctx, &log)
	if !errors.Is(err, context.DeadlineExceeded) || strings.Count(log.String(), "waiting") != 1 {
		t.Errorf("the second got the lock: %v, %q", err, log.String())
	}
	unlock()
	unlock, err = s.lock(t.Context(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

// ping returns a function that checks whether an engine answers at a socket.
func ping(socket string) func(context.Context) error {
	c := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://engine/_ping", nil)
		if err != nil {
			return err
		}
		answer, err := c.Do(request)
		if err != nil {
			return err
		}
		return answer.Body.Close()
	}
}

// canStartEngines reports whether the lab can start engines on this machine: as root, with an
// engine installed. In CI, make engine has installed one, so the test fails if it is missing.
func canStartEngines(t *testing.T) bool {
	t.Helper()
	root, dockerd := os.Geteuid() == 0, findProgram("dockerd")
	if root && dockerd != "" {
		return true
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("CI needs root (%v) and dockerd (%q): run make engine first", root, dockerd)
	}
	t.Logf("nothing to test: starting an engine needs root (%v) and dockerd (%q)", root, dockerd)
	return false
}

// TestIntegrationUpAndDown starts and stops a second engine that shares nothing with this
// machine's.
func TestIntegrationUpAndDown(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Docker engine")
	}
	if !canStartEngines(t) {
		return
	}
	dir, err := os.MkdirTemp("", "lab-host-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	var log lockedBuffer
	reachable := ping(filepath.Join(dir, "docker.sock"))
	d := Daemon{Log: &log, PrivateDir: dir, Reachable: reachable}
	t.Cleanup(func() {
		if err := d.Down(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	// After a crash, the pid file may name another process.
	if err := os.WriteFile(d.pidFile(), []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if err := d.Up(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if t.Failed() {
		t.Fatal(log.String())
	}
	if n := strings.Count(log.String(), "starting the engine:"); n != 1 {
		t.Errorf("two calls started %d engines:\n%s", n, log.String())
	}
	if err := d.Up(t.Context()); err != nil || !strings.Contains(log.String(), "already running") {
		t.Errorf("up again: %v\n%s", err, log.String())
	}
	started, err := d.state().read()
	if err != nil || started == nil || !started.Process.isRunning("dockerd") {
		t.Fatalf("recorded %+v, %v", started, err)
	}
	if err := d.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	if started.Process.isRunning("dockerd") || reachable(t.Context()) == nil {
		t.Error("the engine still runs")
	}
	if _, err := os.Stat(d.state().recordFile()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the record still exists: %v", err)
	}
	if err := d.Down(t.Context()); err != nil || !strings.Contains(log.String(), "nothing to stop") {
		t.Errorf("down again: %v\n%s", err, log.String())
	}
}

// TestIntegrationUpReportsTheEnginesLog starts an engine that cannot work. The error must contain
// the end of its log, and no record may stay.
func TestIntegrationUpReportsTheEnginesLog(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Docker engine")
	}
	if !canStartEngines(t) {
		return
	}
	dir := t.TempDir()
	// A file where the engine needs a folder.
	if err := os.WriteFile(filepath.Join(dir, "data"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d := Daemon{
		Log: io.Discard, PrivateDir: dir, Reachable: func(context.Context) error { return errNoAnswer },
		inspect: func(context.Context) machine {
			return machine{OS: "linux", Root: true, Distribution: debian, Dockerd: "dockerd"}
		},
	}
	err := d.Up(t.Context())
	var userErr *fault.Error
	if !errors.As(err, &userErr) || userErr.Hint == "" || !strings.Contains(err.Error(), "the end of its log") ||
		!strings.Contains(err.Error(), "data") {
		t.Errorf("error is %v", err)
	}
	if started, err := d.state().read(); started != nil || err != nil {
		t.Errorf("recorded %+v, %v", started, err)
	}
}

// lockedBuffer is a buffer that several goroutines may write to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *lockedBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *lockedBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
