package cli

import (
	"context"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// doubleFork answers each request in a grandchild, whose parent ends first. The grandchild takes a
// few milliseconds of CPU time.
const doubleFork = `
import os, socket

listener = socket.create_server((os.environ["HOST"], int(os.environ["PORT"])), backlog=4096)
while True:
    client, _ = listener.accept()
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            while b"\r\n\r\n" not in client.recv(65536):
                pass
            sum(range(100_000))
            client.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\ndone")
        os._exit(0)
    client.close()
    os.waitpid(child, 0)
`

// A server that leaves an orphan at each request is measured like any other: nobody else waits for
// its orphans, and there are more of them than it may have processes.
func TestIntegrationAServerThatForksTwiceIsMeasured(t *testing.T) {
	const maxProcesses = 512
	inTestSession(t, func(ctx context.Context, s *session) {
		c, err := s.calibration(ctx, true)
		if err != nil {
			t.Fatal(err)
		}
		python := application(ctx, t, s, "python")
		subj := subject{
			variant: lab.Variant{
				Runtime: "test", Name: "double-fork", Command: []string{"/opt/venv/bin/python", "-c", doubleFork},
			},
			image: python.image,
			target: lab.Target{
				Request: lab.Request{Method: "GET", Path: "/"}, Status: 200, Body: []byte("done"),
			},
		}
		a := attackOn(subj, 8, 0, 6*time.Second)
		a.ConnectionPerRequest = true
		sample := s.measurePhase(ctx, t, subj, a, c)
		if sample.Attack.Failed > 0 || sample.Attack.Succeeded < maxProcesses+100 {
			t.Errorf("%d answers, %d failures %v; want more answers than a server may have processes",
				sample.Attack.Succeeded, sample.Attack.Failed, sample.Attack.Errors)
		}
		orphans := time.Duration(0)
		for _, p := range sample.Attack.After.Processes {
			if p.PID == 1 {
				orphans = p.Children
			}
		}
		used, _ := metric.ServerCPUSeconds(sample)
		t.Logf("orphans used %v of the server's %.2f s", orphans, used)
		if orphans.Seconds() < used/4 {
			t.Errorf("orphans used %v of the server's %.2f s", orphans, used)
		}
		expectForeignCPU(t, "double-fork", sample)
	})
}
