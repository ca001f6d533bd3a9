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

	"runtimelab/lab"
)

var errDead = &lab.Fault{
	Code: lab.ExitFailed, Err: errors.New("no Docker engine answers"),
	Hint: "run: make engine",
}

// untouched is a machine on which nothing may be run.
func untouched(t *testing.T) (runner, func(context.Context) machine) {
	return (&recorded{t: t}).run, func(context.Context) machine {
		t.Error("the machine was looked at")
		return machine{}
	}
}

func TestUpUsesWhatRuns(t *testing.T) {
	run, look := untouched(t)
	var log bytes.Buffer
	d := Daemon{Log: &log, Reachable: func(context.Context) error { return nil }, run: run, inspect: look}
	if err := d.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "already running") {
		t.Errorf("printed %q", log.String())
	}
}

func TestUpNeverReplacesTheUsersChoice(t *testing.T) {
	run, look := untouched(t)
	d := Daemon{
		Log: io.Discard, Explicit: true, Reachable: func(context.Context) error { return errDead },
		run: run, inspect: look,
	}
	if err := d.Up(t.Context()); !errors.Is(err, errDead) {
		t.Errorf("error is %v", err)
	}
}

func TestUpRefusesBeforeItChangesAnything(t *testing.T) {
	private := t.TempDir()
	d := Daemon{
		Log: io.Discard, PrivateDir: private, Reachable: func(context.Context) error { return errDead },
		inspect: func(context.Context) machine {
			return machine{OS: "linux", Root: true, Distribution: debian, OtherEngines: []string{"package podman"}}
		},
	}
	if err := d.Up(t.Context()); err == nil || !strings.Contains(err.Error(), "podman") {
		t.Errorf("error is %v", err)
	}
	if left, _ := os.ReadDir(private); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// TestUpBySystemd follows the units: those that did not run before are
// started, remembered and stopped again, and no others.
func TestUpBySystemd(t *testing.T) {
	r := &recorded{t: t, answers: map[string]answer{"systemctl start": {}, "systemctl stop": {}}}
	answers := false
	d := Daemon{
		Log: io.Discard, PrivateDir: t.TempDir(),
		Reachable: func(context.Context) error {
			if answers = slices.Contains(r.ran, "systemctl start docker.service"); answers {
				return nil
			}
			return errDead
		},
		run: r.run,
		inspect: func(context.Context) machine {
			return machine{
				OS: "linux", Root: true, Distribution: ubuntu, Dockerd: "/usr/bin/dockerd",
				HasSystemd: true, HasUnit: true, StoppedUnits: []string{"docker.socket", "docker.service"},
			}
		},
	}
	for range 2 { // the second finds it running
		if err := d.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second has nothing to stop
		if err := d.Down(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"systemctl start docker.service", "systemctl stop docker.socket docker.service"}
	if !slices.Equal(r.ran, want) {
		t.Errorf("ran %q, want %q", r.ran, want)
	}
}

func TestUpBySystemdThatFails(t *testing.T) {
	r := &recorded{t: t, answers: map[string]answer{
		"systemctl start": {"Job failed.", errors.New("exit status 1")}, "systemctl stop": {},
		"journalctl": {out: "failed to start daemon: Devices cgroup isn't mounted\n"},
	}}
	d := Daemon{
		Log: io.Discard, PrivateDir: t.TempDir(), Reachable: func(context.Context) error { return errDead }, run: r.run,
		inspect: func(context.Context) machine {
			return machine{
				OS: "linux", Root: true, Distribution: ubuntu, Dockerd: "/usr/bin/dockerd",
				HasSystemd: true, HasUnit: true, StoppedUnits: []string{"docker.service"},
			}
		},
	}
	err := d.Up(t.Context())
	var fault *lab.Fault
	if !errors.As(err, &fault) || !strings.Contains(fault.Err.Error(),
		"Devices cgroup isn't mounted") || !strings.Contains(fault.Hint, "cgroupfs-mount") {
		t.Errorf("error is %v", err)
	}
	if !slices.Contains(r.ran, "systemctl stop docker.service") {
		t.Errorf("ran %q: what was started stays", r.ran)
	}
	var log bytes.Buffer
	d.Log = &log
	if err := d.Down(t.Context()); err != nil || !strings.Contains(log.String(), "nothing to stop") {
		t.Errorf("down after a failure: %v, %q", err, log.String())
	}
}

// Who is interrupted while an engine starts is not told that it does not answer.
func TestUpThatIsInterruptedSaysSo(t *testing.T) {
	interrupted := &lab.Fault{Code: lab.ExitInterrupted, Err: errors.New("interrupted")}
	ctx, interrupt := context.WithCancelCause(t.Context())
	r := &recorded{
		t:       t,
		answers: map[string]answer{"systemctl start": {}, "systemctl stop": {}, "journalctl": {}},
	}
	d := Daemon{
		Log: io.Discard, PrivateDir: t.TempDir(), run: r.run,
		Reachable: func(context.Context) error {
			if slices.Contains(r.ran, "systemctl start docker.service") {
				interrupt(interrupted)
			}
			return errDead
		},
		inspect: func(context.Context) machine {
			return machine{
				OS: "linux", Root: true, Distribution: ubuntu, Dockerd: "/usr/bin/dockerd",
				HasSystemd: true, HasUnit: true, StoppedUnits: []string{"docker.service"},
			}
		},
	}
	if err := d.Up(ctx); lab.ExitCode(err) != lab.ExitInterrupted || strings.Contains(err.Error(),
		"does not answer") {
		t.Errorf("exit code %d, %v", lab.ExitCode(err), err)
	}
	if !slices.Contains(r.ran, "systemctl stop docker.service") {
		t.Errorf("ran %q: what was started stays", r.ran)
	}
}

func TestBridgeFails(t *testing.T) {
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
			t.Errorf("%v for %q", got, log)
		}
	}
}

func TestDownStopsNothingElse(t *testing.T) {
	bystander := exec.Command("sleep", "60")
	if err := bystander.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bystander.Process.Kill(); _ = bystander.Wait() })
	now, err := findProcess(bystander.Process.Pid, "sleep")
	if err != nil {
		t.Fatal(err)
	}
	for name, was := range map[string]process{
		"another program has its id":        now,
		"the id belongs to a later dockerd": {PID: now.PID, Started: now.Started - 1},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			d := Daemon{Log: &log, PrivateDir: t.TempDir()}
			if err := os.MkdirAll(string(d.state()), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := d.state().write(startedEngine{Process: &was}); err != nil {
				t.Fatal(err)
			}
			if err := d.Down(t.Context()); err != nil || !strings.Contains(log.String(), "ended already") {
				t.Errorf("%v, %q", err, log.String())
			}
			if !now.isRunning("sleep") {
				t.Error("the bystander was stopped")
			}
			if what, err := d.state().read(); what != nil || err != nil {
				t.Errorf("still remembered: %+v, %v", what, err)
			}
		})
	}
	if (process{PID: now.PID, Started: now.Started - 1}).isRunning("sleep") {
		t.Error("a later process with the same id and name is taken for the first")
	}
}

func TestRemoveStale(t *testing.T) {
	self := processName(t)
	for name, test := range map[string]struct {
		pid   int
		stays bool
	}{
		"a process that is gone": {pid: 1 << 30},
		"another program":        {pid: os.Getppid()},
		"the program itself":     {pid: os.Getpid(), stays: true},
	} {
		file := filepath.Join(t.TempDir(), "docker.pid")
		if err := os.WriteFile(file, []byte(strconv.Itoa(test.pid)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := removeStalePIDFile(file, self); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(file); (err == nil) != test.stays {
			t.Errorf("%s: the file is there: %v", name, err == nil)
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

func TestLockSerialises(t *testing.T) {
	s := stateDir(t.TempDir())
	unlock, err := s.lock(t.Context(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
	defer cancel()
	var log bytes.Buffer
	if _, err := s.lock(ctx, &log); !errors.Is(err, context.DeadlineExceeded) || strings.Count(log.String(),
		"waiting") != 1 {
		t.Errorf("the second came in: %v, %q", err, log.String())
	}
	unlock()
	unlock, err = s.lock(t.Context(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

// ping asks the engine behind a socket whether it is there.
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

// startsEngines says whether this machine is one that the lab starts engines
// on: root's, with an engine installed. In CI, a machine where make engine
// would have installed one and has not is a failure.
func startsEngines(t *testing.T) bool {
	t.Helper()
	root, dockerd := os.Geteuid() == 0, findProgram("dockerd")
	if root && dockerd != "" {
		return true
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("CI needs root (%v) and dockerd (%q): make engine comes first", root, dockerd)
	}
	t.Logf("nothing to try: starting an engine takes root (%v) and dockerd (%q)", root, dockerd)
	return false
}

// TestIntegrationUpAndDown starts a second engine that shares nothing with
// this machine's own, and stops it.
func TestIntegrationUpAndDown(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Docker engine")
	}
	if !startsEngines(t) {
		return
	}
	dir, err := os.MkdirTemp("", "lab-host-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	var log synced
	reachable := ping(filepath.Join(dir, "docker.sock"))
	d := Daemon{Log: &log, PrivateDir: dir, Reachable: reachable}
	t.Cleanup(func() {
		if err := d.Down(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	// A crash has left a file that names a process which is another's by now.
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
		t.Errorf("up once more: %v\n%s", err, log.String())
	}
	what, err := d.state().read()
	if err != nil || what == nil || !what.Process.isRunning("dockerd") {
		t.Fatalf("remembered %+v, %v", what, err)
	}
	if err := d.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	if what.Process.isRunning("dockerd") || reachable(t.Context()) == nil {
		t.Error("the engine still runs")
	}
	if _, err := os.Stat(d.state().recordFile()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the record is still there: %v", err)
	}
	if err := d.Down(t.Context()); err != nil || !strings.Contains(log.String(), "nothing to stop") {
		t.Errorf("down once more: %v\n%s", err, log.String())
	}
}

// TestIntegrationUpThatFails starts an engine that cannot work and expects its
// own words, and nothing left.
func TestIntegrationUpThatFails(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Docker engine")
	}
	if !startsEngines(t) {
		return
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "data"), nil, 0o600); err != nil { // where a folder is wanted
		t.Fatal(err)
	}
	d := Daemon{
		Log: io.Discard, PrivateDir: dir, Reachable: func(context.Context) error { return errDead },
		inspect: func(context.Context) machine {
			return machine{OS: "linux", Root: true, Distribution: debian, Dockerd: "dockerd"}
		},
	}
	err := d.Up(t.Context())
	var fault *lab.Fault
	if !errors.As(err, &fault) || fault.Hint == "" || !strings.Contains(err.Error(),
		"the end of its log") || !strings.Contains(err.Error(), "data") {
		t.Errorf("error is %v", err)
	}
	if what, err := d.state().read(); what != nil || err != nil {
		t.Errorf("remembered %+v, %v", what, err)
	}
}

// synced is a buffer for several writers.
type synced struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *synced) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *synced) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
