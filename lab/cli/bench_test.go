package cli

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"runtimelab/lab"
	"runtimelab/lab/experiment"
	"runtimelab/lab/host"
	"runtimelab/lab/image"
	"runtimelab/lab/script"
	"runtimelab/lab/serve"
)

// onBench has a session for a benchmark, on this machine's own engine.
func onBench(b *testing.B, do func(ctx context.Context, s *session)) {
	b.Helper()
	a := &app{Streams: Streams{Out: io.Discard, Err: os.Stderr}, ctx: b.Context()}
	err := a.inSession(b.Context(), image.Auto, func(s *session) error {
		do(b.Context(), s)
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(0, "ns/op") // an attack takes as long as it is told to
}

// subject is a server to be measured and what it must answer.
type subject struct {
	variant lab.Variant
	image   lab.Image
	target  lab.Target
}

func (s *session) responder(v lab.Variant) subject {
	return subject{variant: v, image: s.agent, target: serve.Target()}
}

// application is the first variant of a runtime, on /plaintext.
func application(ctx context.Context, tb testing.TB, s *session, runtime string) subject {
	tb.Helper()
	library, err := script.Load(ctx, filepath.Join("..", ".."), script.ParameterValues{})
	if err != nil {
		tb.Fatal(err)
	}
	r, err := library.Runtime(runtime)
	if err != nil {
		tb.Fatal(err)
	}
	built := s.builder.Ensure(ctx, []lab.Runtime{r})[runtime]
	if built.Err != nil {
		tb.Fatal(built.Err)
	}
	return subject{variant: r.Variants[0], image: built.Image, target: lab.Target{
		Request: lab.Request{Method: "GET", Path: "/plaintext"}, Status: 200, Body: []byte("Hello, World!"),
	}}
}

// inCell has a fresh server of a subject in a fresh cell.
func (s *session) inCell(ctx context.Context, tb testing.TB, of subject,
	do func(c *cell, server experiment.Server),
) {
	tb.Helper()
	opened, err := s.cells().OpenCell(ctx, s.layout.Generator)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() {
		if err := opened.Close(context.WithoutCancel(ctx)); err != nil {
			tb.Error(err)
		}
	}()
	server, err := opened.StartServer(ctx, of.variant, of.image, s.layout.Server)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() {
		if err := server.Remove(context.WithoutCancel(ctx)); err != nil {
			tb.Error(err)
		}
	}()
	if _, err := opened.AwaitFirstAnswer(ctx, of.target, responderTimeout); err != nil {
		tb.Fatal(err, server.ExitReason(ctx))
	}
	do(opened.(*cell), server)
}

// attackOn is a closed loop; a rate makes it an open one.
func attackOn(of subject, connections int, rate float64, lasts time.Duration) lab.Attack {
	a := lab.Attack{
		Name: "bench", BaseURL: experiment.BaseURL, Kind: lab.Peak, Targets: []lab.Target{of.target},
		Connections: connections, Duration: lasts, Timeout: 10 * time.Second, Seed: 1,
	}
	if rate > 0 {
		a.Kind, a.Rate = lab.Steady, []lab.Stage{{FromRPS: rate, ToRPS: rate, Duration: lasts}}
	}
	return a
}

func mustAttack(ctx context.Context, tb testing.TB, c *cell, a lab.Attack) lab.AttackResult {
	tb.Helper()
	r, err := c.Attack(ctx, a)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func throughput(r lab.AttackResult) float64 { return float64(r.Succeeded) / r.Elapsed.Seconds() }

// tools are the public load generators, run where ours runs: in the cell, on
// its CPUs, with its limits.
type tools struct{ *session }

const toolsImage = "runtime-lab-bench-tools"

// makeTools has an image with wrk, of this machine's Debian, and the vegeta
// command that make bench built. It goes with the benchmark.
func makeTools(ctx context.Context, b *testing.B, s *session) tools {
	b.Helper()
	if _, err := exec.LookPath("wrk"); err != nil {
		if err := host.InstallPackages(ctx, os.Stderr, "wrk"); err != nil {
			b.Fatal(err)
		}
	}
	vegeta, err := filepath.Abs(filepath.Join("..", "..", "bin", "vegeta"))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := os.Stat(vegeta); err != nil {
		b.Fatalf("the vegeta command is missing (%v): run this with make bench", err)
	}
	files := map[string]string{"vegeta": vegeta, "tmp/": ""}
	for _, program := range []string{"wrk", "sh"} {
		path, err := exec.LookPath(program)
		if err != nil {
			b.Fatal(err)
		}
		files[program] = path
		for _, library := range librariesOf(b, path) {
			files[library] = library
		}
	}
	result, err := s.engine.Client().ImageImport(ctx,
		client.ImageImportSource{Source: archive(b, files), SourceName: "-"},
		toolsImage, client.ImageImportOptions{Changes: []string{"LABEL io.runtime-lab.owner=runtime-lab"}})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, result); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if _, err := s.engine.Client().ImageRemove(context.Background(), toolsImage,
			client.ImageRemoveOptions{Force: true}); err != nil {
			b.Error(err)
		}
	})
	return tools{s}
}

// generator is the container that owns the only cell of the session.
func (t tools) generator(ctx context.Context, b *testing.B) string {
	b.Helper()
	found, err := t.engine.Client().ContainerList(ctx, client.ContainerListOptions{
		Filters: make(client.Filters).Add("label", "io.runtime-lab.run="+t.id, "io.runtime-lab.role=generator"),
	})
	if err != nil || len(found.Items) != 1 {
		b.Fatalf("%d cells are open, error %v", len(found.Items), err)
	}
	return found.Items[0].ID
}

var libraryPath = regexp.MustCompile(`/\S+\.so\S*`)

func librariesOf(b *testing.B, program string) []string {
	out, err := exec.Command("ldd", program).Output()
	if err != nil {
		b.Fatal(fmt.Errorf("listing the libraries of %s: %w", program, err))
	}
	return libraryPath.FindAllString(string(out), -1)
}

// archive is a tar of files: name in the archive to path; a name that ends in
// a slash is a folder.
func archive(b *testing.B, files map[string]string) io.Reader {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for name, path := range files {
		header := &tar.Header{Name: strings.TrimPrefix(name, "/"), Mode: 0o755}
		var content []byte
		if path == "" {
			header.Typeflag, header.Mode = tar.TypeDir, 0o777
		} else {
			var err error
			if content, err = os.ReadFile(path); err != nil {
				b.Fatal(err)
			}
			header.Size = int64(len(content))
		}
		if err := w.WriteHeader(header); err != nil {
			b.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	return &out
}

// run runs a command line in the cell and returns what it printed.
func (t tools) run(ctx context.Context, b *testing.B, shell string) string {
	b.Helper()
	limit := int64(512)
	docker := t.engine.Client()
	created, err := docker.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{
			Image: toolsImage, Cmd: []string{"/sh", "-c", shell}, User: "65533:65533",
			Labels: map[string]string{
				"io.runtime-lab.owner": "runtime-lab", "io.runtime-lab.run": t.id,
				"io.runtime-lab.role": "bench",
			},
		},
		HostConfig: &container.HostConfig{
			NetworkMode: container.NetworkMode("container:" +
				t.generator(ctx, b)), ReadonlyRootfs: true, CapDrop: []string{"ALL"},
			SecurityOpt: []string{"no-new-privileges"}, Tmpfs: map[string]string{"/tmp": "size=512m,mode=1777"},
			Resources: container.Resources{CpusetCpus: lab.CPUList(t.layout.Generator), PidsLimit: &limit},
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if _, err := docker.ContainerRemove(context.WithoutCancel(ctx), created.ID,
			client.ContainerRemoveOptions{Force: true}); err != nil {
			b.Error(err)
		}
	}()
	if _, err := docker.ContainerStart(ctx, created.ID, client.ContainerStartOptions{}); err != nil {
		b.Fatal(err)
	}
	wait := docker.ContainerWait(ctx, created.ID,
		client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case <-wait.Result:
	case err := <-wait.Error:
		b.Fatal(err)
	}
	logs, err := docker.ContainerLogs(ctx, created.ID,
		client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true})
	if err != nil {
		b.Fatal(err)
	}
	defer logs.Close()
	text, err := io.ReadAll(logs)
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}

var wrkRate = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)

// wrk is the throughput that wrk reaches.
func (t tools) wrk(ctx context.Context, b *testing.B, of subject, connections int,
	lasts time.Duration,
) float64 {
	b.Helper()
	return t.number(b, wrkRate, t.run(ctx, b, fmt.Sprintf("/wrk -t1 -c%d -d%ds %s%s", connections,
		int(lasts.Seconds()), experiment.BaseURL, of.target.Request.Path)))
}

var (
	vegetaTotal  = regexp.MustCompile(`Requests\s+\[[^]]*\]\s+([0-9]+),`)
	vegetaServed = regexp.MustCompile(`Requests\s+\[[^]]*\]\s+[0-9]+, [0-9.]+, ([0-9.]+)`)
)

// vegeta runs the vegeta command, as fast as it can where rate is 0, and
// returns how many requests it sent and its throughput.
func (t tools) vegeta(ctx context.Context, b *testing.B, of subject, connections int, rate float64,
	lasts time.Duration,
) (sent, rps float64) {
	b.Helper()
	printed := t.run(ctx, b,
		fmt.Sprintf("echo 'GET %s%s' | /vegeta attack -rate=%.0f -workers=%d -max-workers=%d -connections=%d "+
			"-duration=%v > /tmp/r; /vegeta report /tmp/r",
			experiment.BaseURL, of.target.Request.Path, rate, connections, connections, connections, lasts))
	return t.number(b, vegetaTotal, printed), t.number(b, vegetaServed, printed)
}

func (tools) number(b *testing.B, in *regexp.Regexp, printed string) float64 {
	b.Helper()
	found := in.FindStringSubmatch(printed)
	if found == nil {
		b.Fatalf("no figure in what the tool printed:\n%s", printed)
	}
	n, err := strconv.ParseFloat(found[1], 64)
	if err = errors.Join(err, b.Context().Err()); err != nil {
		b.Fatal(err)
	}
	return n
}
