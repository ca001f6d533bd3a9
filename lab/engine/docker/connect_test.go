package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"runtimelab/lab/fault"
)

const (
	dockerVersion = `{"Os":"linux","Components":[{"Name":"Engine","Version":"20.10.24"}]}`
	dockerInfo    = `{"CPUSet":true,"MemoryLimit":true,"PidsLimit":true}`
)

var pretendDocker = pretendEngine{api: "1.41", version: dockerVersion, info: dockerInfo}

func serveUnix(t *testing.T, h http.Handler) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "lab-engine-test-") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket = filepath.Join(dir, "docker.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}
	s.Start()
	t.Cleanup(s.Close)
	return socket
}

func TestConnect(t *testing.T) {
	with := func(change func(*pretendEngine)) pretendEngine {
		p := pretendDocker
		change(&p)
		return p
	}
	tests := []struct {
		name   string
		engine pretendEngine
		err    string // part of the error; empty if the engine is accepted
	}{
		{name: "Docker 20.10", engine: pretendDocker},
		{name: "a later Docker", engine: with(func(p *pretendEngine) { p.api = "1.99" })},
		{
			name: "Docker 19.03", engine: with(func(p *pretendEngine) { p.api = "1.40" }),
			err: "has API 1.40; the lab needs 1.41",
		},
		{
			name: "Podman", err: "is Podman",
			engine: with(func(p *pretendEngine) {
				p.version = `{"Os":"linux","Components":[{"Name":"Podman Engine"}]}`
			}),
		},
		{
			name: "Windows containers", err: "runs windows containers",
			engine: with(func(p *pretendEngine) { p.version = `{"Os":"windows"}` }),
		},
		{
			name: "no controllers", err: "cannot set cpusets, memory limits\n",
			engine: with(func(p *pretendEngine) { p.info = `{"PidsLimit":true}` }),
		},
		{
			name: "rootless without delegation", err: "cannot set cpusets: it is rootless",
			engine: with(func(p *pretendEngine) {
				p.info = `{"PidsLimit":true,"MemoryLimit":true,` +
					`"SecurityOptions":["name=seccomp,profile=default","name=rootless"]}`
			}),
		},
		{
			name: "rootless with delegation",
			engine: with(func(p *pretendEngine) {
				p.info = `{"CPUSet":true,"PidsLimit":true,"MemoryLimit":true,"SecurityOptions":["name=rootless"]}`
			}),
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := Address{Host: "unix://" + serveUnix(t, test.engine), Origin: "DOCKER_HOST", Explicit: true}
			c, err := Connect(t.Context(), a)
			if test.err == "" {
				if err != nil {
					t.Fatal(err)
				}
				if v := c.ClientVersion(); v != min(test.engine.api, client.MaxAPIVersion) {
					t.Errorf("negotiated API %s with an engine of %s", v, test.engine.api)
				}
				return
			}
			var userErr *fault.Error
			if !errors.As(err, &userErr) || userErr.Hint == "" || !strings.Contains(err.Error(), test.err) {
				t.Fatalf("error is %v, want a fault with a hint and %q", err, test.err)
			}
		})
	}
}

func TestConnectWithoutAnEngine(t *testing.T) {
	a := Address{Host: "unix://" + filepath.Join(t.TempDir(), "no.sock"), Origin: "default socket"}
	_, err := Connect(t.Context(), a)
	var userErr *fault.Error
	if !errors.As(err, &userErr) || userErr.Code != fault.ExitFailed || userErr.Hint == "" {
		t.Fatalf("error is %v, want a fault with a hint", err)
	}
	for _, part := range []string{"no Docker engine answers", a.Host, "default socket"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %v does not contain %q", err, part)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	interrupted := errors.New("interrupted")
	cancel(interrupted)
	if _, err := Connect(ctx, a); !errors.Is(err, interrupted) || errors.As(err, &userErr) {
		t.Errorf("after an interrupt the error is %v, want the interrupt", err)
	}
}

func TestFixHint(t *testing.T) {
	refused := errors.New("connection refused")
	denied := fmt.Errorf("dial: %w", syscall.EACCES)
	socket := Address{Host: "unix:///var/run/docker.sock"}
	chosen := Address{Host: "tcp://far:1", Explicit: true}
	tests := []struct {
		name    string
		address Address
		err     error
		goos    string
		root    bool
		want    string
	}{
		{"root on Linux", socket, refused, "linux", true, "run: make engine"},
		{"a user on Linux", socket, refused, "linux", false, "sudo make engine"},
		{"macOS", socket, refused, "darwin", false, "start Docker Desktop"},
		{"no permission", socket, denied, "linux", false, "usermod -aG docker"},
		{"an address that the user chose", chosen, refused, "linux", true, "DOCKER_HOST"},
	}
	for _, test := range tests {
		if got := fixHint(test.address, test.err, test.goos, test.root); !strings.Contains(got, test.want) {
			t.Errorf("%s: %q lacks %q", test.name, got, test.want)
		}
	}
}

// dialStdio returns the shell command that runs TestDialStdio.
func dialStdio(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("exec %q -test.run '^TestDialStdio$'", self)
}

// TestDialStdio acts as docker system dial-stdio when another test starts it: it connects standard
// input and output to the socket that the environment gives.
func TestDialStdio(t *testing.T) {
	socket := os.Getenv("LAB_TEST_DIAL_STDIO")
	if socket == "" {
		return
	}
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = io.Copy(c, os.Stdin)
		_ = c.(*net.UnixConn).CloseWrite()
	}()
	_, _ = io.Copy(os.Stdout, c)
	os.Exit(0)
}

func pretendSSH(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestConnectBySSH(t *testing.T) {
	pretendSSH(t, dialStdio(t))
	t.Setenv("LAB_TEST_DIAL_STDIO", serveUnix(t, pretendDocker))
	a, err := environment{getenv: func(name string) string {
		return map[string]string{"DOCKER_HOST": "ssh://me@far"}[name]
	}}.resolve()
	if err != nil {
		t.Fatal(err)
	}
	c, err := Connect(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	socket := strings.TrimPrefix(c.DaemonHost(), "unix://")
	if st, err := os.Stat(filepath.Dir(socket)); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("the socket's folder: %v, %v; others may not enter it", st, err)
	}
	// A second client of the plain address reaches the same engine.
	other, err := client.New(client.WithHost(c.DaemonHost()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Info(t.Context(), client.InfoOptions{}); err != nil {
		t.Errorf("a second client: %v", err)
	}
	if err := errors.Join(c.Close(), other.Close(), a.Close(), a.Close()); err != nil {
		t.Errorf("closing: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(socket)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket's folder is still there: %v", err)
	}
}

func TestConnectBySSHThatFails(t *testing.T) {
	pretendSSH(t, "echo 'me@far: Permission denied (publickey).' >&2; exit 255")
	a := Address{Host: "ssh://me@far", Origin: "DOCKER_HOST", Explicit: true, tunnel: &tunnel{}}
	_, err := Connect(t.Context(), a)
	if err == nil || !strings.Contains(err.Error(), "Permission denied (publickey)") {
		t.Errorf("error is %v, want ssh's message", err)
	}
	if a.tunnel.socket != nil {
		t.Error("the tunnel is still open")
	}
}

// The end of a container's input arrives as a half-closed connection.
func TestTunnelForwardsTheEndOfInput(t *testing.T) {
	pretendSSH(t, dialStdio(t))
	dir, err := os.MkdirTemp("", "lab-engine-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	t.Setenv("LAB_TEST_DIAL_STDIO", filepath.Join(dir, "s"))
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		received, _ := io.ReadAll(c)
		_, _ = c.Write([]byte("received " + string(received)))
		_ = c.Close()
	}()
	b := &tunnel{}
	host, err := b.start(Address{Host: "ssh://far"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c, err := net.Dial("unix", strings.TrimPrefix(host, "unix://"))
	if err != nil {
		t.Fatal(err)
	}
	// Without the end of input the test fails here instead of hanging.
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("all")); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.UnixConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); err != nil || string(got) != "received all" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := b.lastError(); err != nil {
		t.Errorf("a connection that ended normally is reported as an error: %v", err)
	}
}

// A tunnel that is in use, or not yet listening, must stay.
func TestSweepTunnelsRemovesThoseOfKilledLabs(t *testing.T) {
	tmp, err := os.MkdirTemp("/tmp", "lab-engine-test-") // paths of sockets must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(tmp) })
	t.Setenv("TMPDIR", tmp)
	for name, c := range map[string]struct {
		socket, dead bool
		age          time.Duration
	}{
		"runtime-lab-engine-dead":  {socket: true, dead: true, age: time.Hour},
		"runtime-lab-engine-alive": {socket: true, age: time.Hour},
		"runtime-lab-engine-new":   {socket: true, dead: true},
		"runtime-lab-engine-empty": {age: time.Hour},
		"other-program":            {socket: true, dead: true, age: time.Hour},
	} {
		dir := filepath.Join(tmp, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if c.socket {
			l, err := net.Listen("unix", filepath.Join(dir, tunnelSocket))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
			if c.dead {
				l.(*net.UnixListener).SetUnlinkOnClose(false)
				_ = l.Close()
			}
		}
		made := time.Now().Add(-c.age)
		if err := os.Chtimes(dir, made, made); err != nil {
			t.Fatal(err)
		}
	}
	sweepTunnels()
	var remaining []string
	for _, name := range []string{
		"other-program", "runtime-lab-engine-alive", "runtime-lab-engine-dead", "runtime-lab-engine-empty",
		"runtime-lab-engine-new",
	} {
		if _, err := os.Stat(filepath.Join(tmp, name)); err == nil {
			remaining = append(remaining, name)
		}
	}
	want := []string{
		"other-program", "runtime-lab-engine-alive", "runtime-lab-engine-empty", "runtime-lab-engine-new",
	}
	if !slices.Equal(remaining, want) {
		t.Errorf("remaining %v, want %v", remaining, want)
	}
}

func TestConnectByTLS(t *testing.T) {
	s := httptest.NewTLSServer(pretendDocker)
	t.Cleanup(s.Close)
	host := "tcp://" + strings.TrimPrefix(s.URL, "https://")
	for _, skip := range []bool{true, false} {
		a := Address{
			Host: host, Origin: "context work", Explicit: true,
			TLS: &TLS{Dir: t.TempDir(), SkipVerify: skip}, tunnel: &tunnel{},
		}
		c, err := Connect(t.Context(), a)
		switch {
		case skip && err != nil:
			t.Errorf("without verification: %v", err)
		case !skip && (err == nil || !strings.Contains(err.Error(), "certificate")):
			t.Errorf("with verification and no CA: error is %v, want one about the certificate", err)
		}
		if c != nil {
			_ = c.Close()
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Testcontainers closes its client after each call, while other calls are running.
func TestNoCloseClientKeepsItsConnections(t *testing.T) {
	var connections atomic.Int32
	s := httptest.NewUnstartedServer(pretendDocker)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	c, err := client.New(client.WithHost("tcp://" + s.Listener.Addr().String()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 3 {
		if _, err := c.Ping(t.Context(), client.PingOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := (noCloseClient{c}).Close(); err != nil {
			t.Error(err)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("three calls took %d connections", n)
	}
}

// TestIntegrationProvider runs itself in a new process, because testcontainers reads its settings
// only once in a process.
func TestIntegrationProvider(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a Docker engine")
	}
	if os.Getenv("LAB_TEST_PROVIDER") != "" {
		checkProviderIgnoresProperties(t)
		return
	}
	a, err := Resolve()
	if err != nil {
		t.Fatal(err)
	}
	c, err := Connect(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	decoy := serveUnix(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("testcontainers called the properties file's engine: %s", r.URL)
		pretendDocker.ServeHTTP(w, r)
	}))
	home := t.TempDir()
	write(t, "tc.host=unix://"+decoy+"\nryuk.disabled=false\nhub.image.name.prefix=elsewhere\n",
		home, ".testcontainers.properties")
	before := networks(t, c)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run", "^TestIntegrationProvider$", "-test.v")
	cmd.Env = append(os.Environ(), "LAB_TEST_PROVIDER="+c.DaemonHost(), "HOME="+home,
		"TESTCONTAINERS_RYUK_DISABLED=false", "TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX=elsewhere")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestIntegrationProvider") {
		t.Errorf("%v\n%s", err, out)
	}
	if strings.Contains(string(out), "Connected to docker") {
		t.Errorf("testcontainers printed:\n%s", out)
	}
	if after := networks(t, c); !slices.Equal(before, after) {
		t.Errorf("networks changed from %q to %q", before, after)
	}
}

func checkProviderIgnoresProperties(t *testing.T) {
	host := os.Getenv("LAB_TEST_PROVIDER")
	a := Address{Host: host, Origin: "test"}
	c, err := Connect(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	environment := slices.Sorted(slices.Values(os.Environ()))
	p, err := Provider(t.Context(), a, c)
	if err != nil {
		t.Fatal(err)
	}
	if now := slices.Sorted(slices.Values(os.Environ())); !slices.Equal(environment, now) {
		t.Errorf("the environment changed from %q to %q", environment, now)
	}
	if p.Client() != client.APIClient(noCloseClient{c}) {
		t.Error("the provider uses another client")
	}
	if config := p.Config().Config; !config.RyukDisabled || config.HubImageNamePrefix != "" ||
		config.TestcontainersHost != "" {
		t.Errorf("the user's settings apply: %+v", config)
	}
	if err := p.Health(t.Context()); err != nil {
		t.Error(err)
	}
	// On an engine without a bridge network, GetGatewayIP must not create one.
	bridgeless, err := client.New(client.WithHost("unix://" +
		serveUnix(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodPost:
				t.Errorf("testcontainers sent POST %s", r.URL)
			case strings.HasSuffix(r.URL.Path, "/networks"):
				_, _ = w.Write([]byte(`[{"Name":"none","Id":"1"},{"Name":"host","Id":"2"}]`))
				return
			}
			pretendDocker.ServeHTTP(w, r)
		}))))
	if err != nil {
		t.Fatal(err)
	}
	p.SetClient(bridgeless)
	if _, err := p.GetGatewayIP(t.Context()); err == nil {
		t.Error("the network none has a gateway")
	}
}

func networks(t *testing.T, c *client.Client) []string {
	t.Helper()
	list, err := c.NetworkList(t.Context(), client.NetworkListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, n := range list.Items {
		names = append(names, n.Name+" "+n.ID)
	}
	slices.Sort(names)
	return names
}
