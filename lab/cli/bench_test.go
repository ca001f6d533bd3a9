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
	"runtimelab/lab/script"
	"runtimelab/lab/serve"
	"runtimelab/lab/session"
)

// inBenchSession calls do in a session on the engine of this machine.
func inBenchSession(b *testing.B, do func(ctx context.Context, s *session.Session)) {
	b.Helper()
	err := session.Run(b.Context(), session.Options{Connect: connect, Log: os.Stderr, Version: version()},
		func(s *session.Session) error {
			do(b.Context(), s)
			return nil
		})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(0, "ns/op") // meaningless: attacks have fixed durations
}

// subject is a server to measure, with a request and the answer that it must give.
type subject struct {
	variant lab.Variant
	image   lab.Image
	target  lab.Target
}

// responder returns one of the lab's responders as a subject.
func responder(s *session.Session, v lab.Variant) subject {
	return subject{variant: v, image: s.Agent, target: serve.Target()}
}

// application returns the first variant of a runtime as a subject, with /plaintext.
func application(ctx context.Context, tb testing.TB, s *session.Session, runtime string) subject {
	tb.Helper()
	library, err := script.Load(ctx, filepath.Join("..", ".."), script.ParameterValues{})
	if err != nil {
		tb.Fatal(err)
	}
	r, err := library.Runtime(runtime)
	if err != nil {
		tb.Fatal(err)
	}
	images, err := s.EnsureImages(ctx, []lab.Runtime{r}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	v := r.Variants[0]
	return subject{variant: v, image: images.Images[v.ID()], target: lab.Target{
		Request: lab.Request{Method: "GET", Path: "/plaintext"}, Status: 200, Body: []byte("Hello, World!"),
	}}
}

// inCell starts a subject in a new cell, beside other services on the generator's CPU, calls do, and
// closes the cell. The generator waits in the kernel if there are such services, and else it polls.
func inCell(
	ctx context.Context, tb testing.TB, s *session.Session, subj subject, do func(c experiment.Cell),
	beside ...lab.Service,
) {
	tb.Helper()
	inCellOf(ctx, tb, s, subj, len(beside) > 0, do, beside...)
}

// inCellOf does what inCell does, for a generator that waits or polls.
func inCellOf(
	ctx context.Context, tb testing.TB, s *session.Session, subj subject, generatorWaits bool,
	do func(c experiment.Cell), beside ...lab.Service,
) {
	tb.Helper()
	server := experiment.Server(subj.variant, subj.image, beside...)
	server.CPUs.Pinned = s.Layout.Server
	for i := range beside {
		beside[i].CPUs.Pinned = s.Layout.Generator
	}
	opened, err := s.Cells().Open(ctx, lab.CellRequest{
		Generator: lab.CPURequest{Pinned: s.Layout.Generator}, GeneratorWaits: generatorWaits,
		Services: append(beside, server),
	})
	if err != nil {
		tb.Fatal(err)
	}
	defer func() {
		if err := opened.Close(context.WithoutCancel(ctx)); err != nil {
			tb.Error(err)
		}
	}()
	if _, err := opened.AwaitFirstAnswer(ctx, subj.target, firstAnswerTimeout); err != nil {
		tb.Fatal(experiment.CauseInCell(ctx, opened, err))
	}
	do(opened)
}

// firstAnswerTimeout bounds the time until a server's first answer.
const firstAnswerTimeout = 30 * time.Second

// attackOn returns a closed-loop attack on a subject, or an open-loop one if rate is
// above 0.
func attackOn(subj subject, connections int, rate float64, duration time.Duration) lab.Attack {
	a := lab.Attack{
		Name: "bench", BaseURL: experiment.BaseURL(subj.variant.Port()),
		Generator: lab.EventLoop, Kind: lab.Peak,
		Targets:     []lab.Target{subj.target},
		Connections: connections, Duration: duration, Timeout: 10 * time.Second, Seed: 1,
	}
	if rate > 0 {
		a.Kind, a.Rate = lab.Steady, []lab.Stage{{FromRPS: rate, ToRPS: rate, Duration: duration}}
	}
	return a
}

func mustAttack(ctx context.Context, tb testing.TB, c experiment.Cell, a lab.Attack) lab.AttackResult {
	tb.Helper()
	o, err := c.Attack(ctx, a)
	if err != nil {
		tb.Fatal(err)
	}
	return o.AttackResult
}

func throughput(r lab.AttackResult) float64 { return float64(r.Succeeded) / r.Elapsed.Seconds() }

// tools runs public load generators like the lab's: in the cell, on the same CPUs, with
// the same limits.
type tools struct {
	*session.Session
	docker *client.Client
}

const toolsImage = "runtime-lab-bench-tools"

// buildTools builds an image with wrk, from a package of this machine's Debian, and the
// vegeta command that make bench has built. The image is removed after the benchmark.
func buildTools(ctx context.Context, b *testing.B, s *session.Session) tools {
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
		b.Fatalf("the vegeta command is missing (%v): run make bench", err)
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
	docker := openEngine(b)
	result, err := docker.ImageImport(ctx,
		client.ImageImportSource{Source: tarOf(b, files), SourceName: "-"},
		toolsImage, client.ImageImportOptions{Changes: []string{"LABEL io.runtime-lab.owner=runtime-lab"}})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, result); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if _, err := docker.ImageRemove(context.Background(), toolsImage,
			client.ImageRemoveOptions{Force: true}); err != nil {
			b.Error(err)
		}
	})
	return tools{s, docker}
}

// generatorOf returns the id of the container that owns the only cell of a session.
func generatorOf(ctx context.Context, b *testing.B, docker *client.Client, s *session.Session) string {
	b.Helper()
	found, err := docker.ContainerList(ctx, client.ContainerListOptions{
		Filters: make(client.Filters).Add("label", "io.runtime-lab.run="+s.ID, "io.runtime-lab.role=generator"),
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

// tarOf returns a tar of files, by their name in the archive. An empty path makes a
// folder.
func tarOf(tb testing.TB, files map[string]string) io.Reader {
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
				tb.Fatal(err)
			}
			header.Size = int64(len(content))
		}
		if err := w.WriteHeader(header); err != nil {
			tb.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return &out
}

// run runs a command line in the cell and returns its output.
func (t tools) run(ctx context.Context, b *testing.B, commandLine string) string {
	b.Helper()
	limit := int64(512)
	created, err := t.docker.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{
			Image: toolsImage, Cmd: []string{"/sh", "-c", commandLine}, User: "65533:65533",
			Labels: map[string]string{
				"io.runtime-lab.owner": "runtime-lab", "io.runtime-lab.run": t.ID,
				"io.runtime-lab.role": "bench",
			},
		},
		HostConfig: &container.HostConfig{
			NetworkMode:    container.NetworkMode("container:" + generatorOf(ctx, b, t.docker, t.Session)),
			ReadonlyRootfs: true,
			CapDrop:        []string{"ALL"},
			SecurityOpt:    []string{"no-new-privileges"},
			Tmpfs:          map[string]string{"/tmp": "size=512m,mode=1777"},
			Resources:      container.Resources{CpusetCpus: lab.CPUList(t.Layout.Generator), PidsLimit: &limit},
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if _, err := t.docker.ContainerRemove(context.WithoutCancel(ctx), created.ID,
			client.ContainerRemoveOptions{Force: true}); err != nil {
			b.Error(err)
		}
	}()
	if _, err := t.docker.ContainerStart(ctx, created.ID, client.ContainerStartOptions{}); err != nil {
		b.Fatal(err)
	}
	wait := t.docker.ContainerWait(ctx, created.ID,
		client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case <-wait.Result:
	case err := <-wait.Error:
		b.Fatal(err)
	}
	logs, err := t.docker.ContainerLogs(ctx, created.ID,
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

var (
	wrkRate = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	wrkHits = regexp.MustCompile(`([0-9]+) requests in `)

	shellTimes = regexp.MustCompile(`([0-9]+)m([0-9.]+)s ([0-9]+)m([0-9.]+)s`)
)

// wrkFigures is what wrk did.
type wrkFigures struct {
	rps         float64
	cpuPerHitUS float64 // its own CPU time for a request
}

// wrk runs wrk at full speed.
func (t tools) wrk(
	ctx context.Context, b *testing.B, subj subject, connections int, duration time.Duration,
) wrkFigures {
	b.Helper()
	output := t.run(ctx, b, fmt.Sprintf("/wrk -t1 -c%d -d%ds %s%s; times",
		connections, int(duration.Seconds()), experiment.BaseURL(lab.ServerPort), subj.target.Request.Path))
	// "times" prints the shell's own times and then those of its children: user and system.
	all := shellTimes.FindAllStringSubmatch(output, -1)
	if len(all) == 0 {
		b.Fatalf("no times of wrk in its output:\n%s", output)
	}
	seconds := 0.0
	for i, unit := range []float64{60, 1, 60, 1} {
		n, err := strconv.ParseFloat(all[len(all)-1][i+1], 64)
		if err != nil {
			b.Fatal(err)
		}
		seconds += unit * n
	}
	return wrkFigures{
		rps:         parseFigure(b, wrkRate, output),
		cpuPerHitUS: 1e6 * seconds / parseFigure(b, wrkHits, output),
	}
}

var (
	vegetaTotal  = regexp.MustCompile(`Requests\s+\[[^]]*\]\s+([0-9]+),`)
	vegetaServed = regexp.MustCompile(`Requests\s+\[[^]]*\]\s+[0-9]+, [0-9.]+, ([0-9.]+)`)
)

// vegeta runs the vegeta command, at full speed if rate is 0. It returns the number of
// requests that it sent, and its throughput.
func (t tools) vegeta(
	ctx context.Context, b *testing.B, subj subject, connections int, rate float64, duration time.Duration,
) (sent, rps float64) {
	b.Helper()
	output := t.run(ctx, b,
		fmt.Sprintf("echo 'GET %s%s' | /vegeta attack -rate=%.0f -workers=%d -max-workers=%d -connections=%d "+
			"-duration=%v > /tmp/r; /vegeta report /tmp/r",
			experiment.BaseURL(lab.ServerPort), subj.target.Request.Path, rate, connections, connections, connections,
			duration))
	return parseFigure(b, vegetaTotal, output), parseFigure(b, vegetaServed, output)
}

// parseFigure returns the number in the first group of a pattern.
func parseFigure(b *testing.B, pattern *regexp.Regexp, output string) float64 {
	b.Helper()
	found := pattern.FindStringSubmatch(output)
	if found == nil {
		b.Fatalf("no figure in the output of the tool:\n%s", output)
	}
	n, err := strconv.ParseFloat(found[1], 64)
	if err = errors.Join(err, b.Context().Err()); err != nil {
		b.Fatal(err)
	}
	return n
}
