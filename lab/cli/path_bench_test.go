package cli

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"runtimelab/lab"
	"runtimelab/lab/attack"
	"runtimelab/lab/experiment"
	"runtimelab/lab/session"
)

// BenchmarkPath shows why the lab measures inside the server's network namespace. The same
// generator drives the same image on the same CPUs, in a cell, and from the host through a
// port published on 127.0.0.1, as most load tests of containers do. No other code of the
// lab publishes a port.
func BenchmarkPath(b *testing.B) {
	inBenchSession(b, func(ctx context.Context, s *session.Session) {
		for _, runtime := range []string{"node", "python"} {
			app := application(ctx, b, s, runtime)
			var inside float64
			inCell(ctx, b, s, app, func(c experiment.Cell) {
				mustAttack(ctx, b, c, attackOn(app, 64, 0, 2*time.Second))
				inside = throughput(mustAttack(ctx, b, c, attackOn(app, 64, 0, 4*time.Second)))
			})
			outside := throughput(attackPublished(ctx, b, s, app))
			fmt.Printf("path, %s: %.0f req/s in the cell, %.0f through a published port\n",
				app.variant.ID(), inside, outside)
			b.ReportMetric(outside/inside, runtime+"-published/cell")
		}
	})
}

// attackPublished attacks a server from the host, through a published port.
func attackPublished(ctx context.Context, b *testing.B, s *session.Session,
	app subject,
) (r lab.AttackResult) {
	b.Helper()
	c, v := openEngine(b), app.variant
	port := network.MustParsePort(fmt.Sprintf("%d/tcp", lab.ServerPort))
	env := []string{"HOST=0.0.0.0"}
	for name, value := range v.Env {
		env = append(env, name+"="+value)
	}
	created, err := c.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{
			Image: app.image.Ref, Cmd: v.Command, Env: env,
			ExposedPorts: network.PortSet{port: {}},
		},
		HostConfig: &container.HostConfig{
			Resources:    container.Resources{CpusetCpus: lab.CPUList(s.Layout.Server)},
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
	// The published port accepts connections before the server does.
	time.Sleep(2 * time.Second)
	// The first attack is a warm-up.
	for _, duration := range []time.Duration{2 * time.Second, 4 * time.Second} {
		a := attackOn(app, 64, 0, duration)
		a.BaseURL = "http://127.0.0.1:18080"
		if r, err = attack.Run(ctx, a, nil, nil); err != nil {
			b.Fatal(err)
		}
	}
	return r
}
