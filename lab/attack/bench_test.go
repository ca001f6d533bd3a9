package attack

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/serve"
)

// nullServer is the argument that makes this program the server of BenchmarkAttack. It runs in a
// process of its own, so that no profile contains it.
const nullServer = "null-server"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == nullServer {
		fmt.Fprintln(os.Stderr, serve.Command(context.Background(), []string{"null"}))
		os.Exit(1)
	}
	if len(os.Args) == 3 && os.Args[1] == endlessAttack {
		attackUntilEndOfInput(os.Args[2])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// BenchmarkAttack is the load that the agent is optimised for: make profile turns its CPU profile
// into lab/cmd/agent/default.pgo. To measure the generator's speed in a cell, use make bench.
func BenchmarkAttack(b *testing.B) {
	url := startNull(b)
	// The generator has one CPU, as in a cell.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, g := range []lab.Generator{lab.EventLoop, lab.Vegeta} {
		for _, rate := range []float64{0, 20_000} {
			a := attackBy(g, url, lab.Peak)
			a.Targets[0] = serve.Target()
			a.Connections, a.Duration = 64, 4*time.Second
			if rate > 0 {
				a.Kind, a.Rate = lab.Steady, constantRate(rate)
			}
			got, err := Run(b.Context(), a, nil, nil)
			if err != nil || got.Failed > 0 {
				b.Fatal(got.Errors, err)
			}
		}
	}
	b.ReportMetric(0, "ns/op")
}

func startNull(b *testing.B) (url string) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	host, port, err := net.SplitHostPort(free.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	if err := free.Close(); err != nil {
		b.Fatal(err)
	}
	server := exec.Command(os.Args[0], nullServer)
	server.Env = append(os.Environ(), "HOST="+host, "PORT="+port)
	server.Stderr = os.Stderr
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = server.Process.Kill() // it does not end by itself
		_ = server.Wait()
	})
	address := net.JoinHostPort(host, port)
	for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close() // the server listens
			return "http://" + address
		}
	}
	b.Fatal("the null server does not listen")
	return ""
}
