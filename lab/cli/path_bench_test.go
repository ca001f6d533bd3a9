package cli

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"runtimelab/lab"
	"runtimelab/lab/agent"
	"runtimelab/lab/agent/binary"
	"runtimelab/lab/attack"
	"runtimelab/lab/engine"
	"runtimelab/lab/experiment"
	"runtimelab/lab/host"
	"runtimelab/lab/image"
	"runtimelab/lab/record"
	"runtimelab/lab/script"
)

// BenchmarkPath shows why the lab measures inside the server's network
// namespace: the same generator drives the same image on the same cores, once
// in a cell and once from the host by way of a port published on 127.0.0.1, as
// most load tests of containers do. It is the only code here that publishes a
// port.
func BenchmarkPath(b *testing.B) {
	ctx := context.Background()
	e, err := engine.Open(ctx)
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	if err := host.Confine([]int{0}); err != nil {
		b.Fatal(err)
	}
	library, err := script.Load(ctx, filepath.Join("..", ".."))
	if err != nil {
		b.Fatal(err)
	}
	builder := image.New(e.Client(), image.Options{})
	program, err := binary.For("amd64")
	if err != nil {
		b.Fatal(err)
	}
	agentImage, err := builder.Agent(ctx, program)
	if err != nil {
		b.Fatal(err)
	}
	run, err := e.Begin(ctx, record.NewID(time.Now()), agentImage)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := run.End(ctx); err != nil {
			b.Error(err)
		}
	}()
	topology, err := agent.NewClient(run, run).Probe(ctx)
	if err != nil {
		b.Fatal(err)
	}
	run.LimitNofile(topology.Nofile)
	for name, built := range builder.Ensure(ctx, library.Runtimes) {
		if built.Err != nil {
			b.Fatal(built.Err)
		}
		r, err := library.Runtime(name)
		if err != nil {
			b.Fatal(err)
		}
		v := r.Variants[0]
		b.Run(v.ID()+"/cell", func(b *testing.B) { reportRate(b, inCell(ctx, b, run, v, built.Image)) })
		b.Run(v.ID()+"/published", func(b *testing.B) { reportRate(b, published(ctx, b, e.Client(), v, built.Image)) })
	}
}

func reportRate(b *testing.B, r lab.AttackResult) {
	b.ReportMetric(float64(r.Succeeded)/r.Elapsed.Seconds(), "req/s")
	b.ReportMetric(0, "ns/op") // one attack takes as long as it is told to
}

func plaintextPeak(url string, kind lab.PhaseKind) lab.Attack {
	return lab.Attack{
		Name: "path", BaseURL: url, Kind: kind, Connections: 64, Duration: 4 * time.Second, Timeout: 10 * time.Second,
		Targets: []lab.Target{{Request: lab.Request{Method: "GET", Path: "/plaintext"}, Status: 200, Body: []byte("Hello, World!")}},
	}
}

func inCell(ctx context.Context, b *testing.B, run *engine.Run, v lab.Variant, i lab.Image) (r lab.AttackResult) {
	c, err := cells{run: run}.OpenCell(ctx, []int{0})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := c.Close(ctx); err != nil {
			b.Error(err)
		}
	}()
	s, err := c.StartServer(ctx, v, i, []int{1})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := s.Remove(ctx); err != nil {
			b.Error(err)
		}
	}()
	if _, err := c.Await(ctx, plaintextPeak("", lab.Peak).Targets[0], time.Minute); err != nil {
		b.Fatal(err)
	}
	for _, kind := range []lab.PhaseKind{lab.WarmUp, lab.Peak} {
		if r, err = c.Attack(ctx, plaintextPeak(experiment.BaseURL, kind)); err != nil {
			b.Fatal(err)
		}
	}
	return r
}

func published(ctx context.Context, b *testing.B, c *client.Client, v lab.Variant, i lab.Image) (r lab.AttackResult) {
	port := network.MustParsePort(fmt.Sprintf("%d/tcp", engine.Port))
	env := []string{"HOST=0.0.0.0"}
	for name, value := range v.Env {
		env = append(env, name+"="+value)
	}
	created, err := c.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{Image: i.Ref, Cmd: v.Command, Env: env, ExposedPorts: network.PortSet{port: {}}},
		HostConfig: &container.HostConfig{
			Resources:    container.Resources{CpusetCpus: "1"},
			PortBindings: network.PortMap{port: {{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: "18080"}}},
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if _, err := c.ContainerRemove(ctx, created.ID, client.ContainerRemoveOptions{Force: true}); err != nil {
			b.Error(err)
		}
	}()
	if _, err := c.ContainerStart(ctx, created.ID, client.ContainerStartOptions{}); err != nil {
		b.Fatal(err)
	}
	time.Sleep(2 * time.Second) // a published port accepts before the server does
	for _, kind := range []lab.PhaseKind{lab.WarmUp, lab.Peak} {
		if r, err = attack.Run(ctx, plaintextPeak("http://127.0.0.1:18080", kind), nil); err != nil {
			b.Fatal(err)
		}
	}
	return r
}
